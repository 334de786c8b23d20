"""The stage of a chaos test; what the machine lacks skips, and fails in CI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..conftest import missing
from ..servers import redis_program
from .stage import Stage

MakeStage = Callable[..., Stage]


@pytest.fixture
def make_stage(tmp_path: Path) -> Iterator[MakeStage]:
    """Return a function that makes this test's stage; keywords are as :class:`Stage` has them."""
    program = redis_program()
    if program is None:
        missing("redis-server", "apt-get install redis-server")
        return
    made: list[Stage] = []

    def make(**options: object) -> Stage:
        made.append(Stage(tmp_path, program, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for stage in made:
        stage.stop()
