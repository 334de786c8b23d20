"""Hosts whose clocks are wrong: only the store's clock counts."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ..conftest import missing
from .account import settle
from .conftest import MakeStage
from .size import some
from .stage import GEVENT, GTHREAD

#: Seconds a clock is off.
OFF = 600


@pytest.fixture
def shim(tmp_path: Path) -> str:
    """Return a library which, preloaded, moves a process's clock by ``CLOCK_OFF`` seconds."""
    compiler = shutil.which("cc")
    if compiler is None:
        missing("a C compiler", "apt-get install gcc libc6-dev")
    library = tmp_path / "clock.so"
    source = Path(__file__).with_name("clock.c")
    command = [str(compiler), "-shared", "-fPIC", "-O1", str(source), "-o", str(library), "-ldl"]
    subprocess.run(command, check=True)
    return str(library)


def moved(shim: str, seconds: int) -> dict[str, str]:
    """Return the environment of a process whose clock is off; it is checked that it is."""
    env = {"LD_PRELOAD": shim, "CLOCK_OFF": str(seconds)}
    command = [sys.executable, "-c", "import time; print(time.time())"]
    told = subprocess.run(command, env=env, check=True, capture_output=True).stdout
    assert abs(float(told) - seconds - time.time()) < OFF / 2
    return env


@pytest.mark.parametrize("worker", ["tuned", "scheduler"])
@pytest.mark.parametrize("ahead", ["web", "worker"])
def test_clocks_are_ten_minutes_off(
    make_stage: MakeStage, shim: str, ahead: str, worker: str
) -> None:
    """With web process and worker ten minutes off, one ahead and one behind, all is as ever."""
    stage = make_stage()
    off = OFF if ahead == "web" else -OFF
    sites = stage.start(
        *(GEVENT, GTHREAD),
        workers=[worker],
        web_env=moved(shim, off),
        worker_env=moved(shim, -off),
    )
    stage.crowd.watch(some("stay", 1 / 3), *sites)
    gone, back = (stage.crowd.watch(some(name, 1 / 3), *sites) for name in ("gone", "back"))
    stage.counted(sites[0], len(stage.crowd.viewers))
    stage.crowd.leave([*gone, *back])
    stage.crowd.come_back(back)
    settle(stage)
