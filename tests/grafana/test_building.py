"""What is checked in is what the code makes, byte for byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import missing
from .reading import FOLDER, ROOT


@pytest.fixture(autouse=True, scope="module")
def kit() -> None:
    """See that what makes the dashboards can be installed."""
    if sys.version_info < (3, 11):
        missing("Python 3.11", "grafana-foundation-sdk needs it")  # type: ignore[unreachable,unused-ignore]


def made(folder: Path, seed: str) -> dict[str, bytes]:
    """Return what the code makes with this order of Python's sets, by name."""
    env = {**os.environ, "PYTHONHASHSEED": seed}
    command = [sys.executable, "-W", "ignore", "-m", "grafana.build", str(folder)]
    subprocess.run(command, cwd=ROOT, env=env, check=True, timeout=120)
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_what_is_checked_in_is_up_to_date(tmp_path: Path) -> None:
    """``python -m grafana.build`` would change no file, whatever the hash seed."""
    first, second = made(tmp_path / "1", "1"), made(tmp_path / "2", "2")
    assert first == second
    assert {"dashboards/streamend-overview.json", "dashboards/streamend-event.json"} <= set(first)
    for name, content in first.items():
        assert (FOLDER / name).read_bytes() == content, f"{name}: python -m grafana.build"
