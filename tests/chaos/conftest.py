"""The stage of a chaos test; what the machine lacks skips, and fails in CI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..conftest import missing
from ..servers import redis_program
from .stage import Stage

MakeStage = Callable[..., Stage]


@pytest.fixture(scope="module")
def redis_server() -> str:
    """Return the program of a Redis."""
    program = redis_program()
    if program is None:
        missing("redis-server", "apt-get install redis-server")
    return str(program)


@pytest.fixture
def make_stage(tmp_path: Path, redis_server: str) -> Iterator[MakeStage]:
    """Return a function that makes this test's stage; keywords are as :class:`Stage` has them."""
    made: list[Stage] = []

    def make(**options: Any) -> Stage:
        made.append(Stage(tmp_path, redis_server, **options))
        return made[-1]

    yield make
    for stage in made:
        stage.stop()
