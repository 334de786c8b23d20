"""Hosts whose clocks are wrong: only the store's clock counts."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from struct import pack

import pytest

from ..conftest import missing
from .account import nobody_else, settle
from .conftest import MakeStage
from .size import some
from .stage import GEVENT, GTHREAD

#: Seconds a clock is off.
OFF = 600


@pytest.fixture
def shim(tmp_path: Path) -> str:
    """Return a library which, preloaded, moves a process's clock: see clock.c."""
    compiler = shutil.which("cc")
    if compiler is None:
        missing("a C compiler", "apt-get install gcc libc6-dev")
    library = tmp_path / "clock.so"
    source = Path(__file__).with_name("clock.c")
    command = [str(compiler), "-shared", "-fPIC", "-O1", str(source), "-o", str(library), "-ldl"]
    subprocess.run(command, check=True)
    return str(library)


class Clock:
    """The clock of some processes of one host.

    :param off: seconds it is off, to begin with.
    """

    def __init__(self, shim: str, path: Path, off: int = 0) -> None:
        self._path = path
        path.write_bytes(pack("l", off))
        self.env = {"LD_PRELOAD": shim, "CLOCK_OFF": str(path)}
        self.jump(off)

    def jump(self, off: int) -> None:
        """Have it be off by so many seconds from now on; it is checked that it is."""
        with self._path.open("r+b") as file:
            file.write(pack("l", off))
        command = [sys.executable, "-c", "import time; print(time.time())"]
        told = subprocess.run(command, env=self.env, check=True, capture_output=True).stdout
        assert abs(float(told) - off - time.time()) < OFF / 2


@pytest.mark.parametrize("worker", ["tuned", "scheduler"])
@pytest.mark.parametrize("ahead", ["web", "worker"])
def test_clocks_are_ten_minutes_off(
    make_stage: MakeStage, shim: str, tmp_path: Path, ahead: str, worker: str
) -> None:
    """With web process and worker ten minutes off, one ahead and one behind, all is as ever."""
    stage = make_stage()
    off = OFF if ahead == "web" else -OFF
    sites = stage.start(
        *(GEVENT, GTHREAD),
        workers=[worker],
        web_env=Clock(shim, tmp_path / "web", off).env,
        worker_env=Clock(shim, tmp_path / "worker", -off).env,
    )
    stage.crowd.watch(some("stay", 1 / 3), *sites)
    gone, back = (stage.crowd.watch(some(name, 1 / 3), *sites) for name in ("gone", "back"))
    stage.counted(sites[0], len(stage.crowd.viewers))
    stage.crowd.leave([*gone, *back])
    stage.crowd.come_back(back)
    settle(stage)


@pytest.mark.parametrize(("worker", "jump"), [("tuned", OFF), ("scheduler", -OFF)])
def test_clocks_jump(
    make_stage: MakeStage, shim: str, tmp_path: Path, worker: str, jump: int
) -> None:
    """Clocks jump by ten minutes within grace periods, and back: nothing is sooner or later by it.

    Some viewers are there, some have left, some come back, some come between both jumps.
    """
    stage = make_stage()
    web, working = (Clock(shim, tmp_path / name) for name in ("web", "worker"))
    sites = stage.start(
        *(GEVENT, GTHREAD), workers=[worker], web_env=web.env, worker_env=working.env
    )
    stage.crowd.watch(some("stay", 1 / 4), *sites)
    gone, back = (stage.crowd.watch(some(name, 1 / 4), *sites) for name in ("gone", "back"))
    stage.counted(sites[0], len(stage.crowd.viewers))
    stage.crowd.leave([*gone, *back])
    web.jump(jump)
    working.jump(-jump)
    stage.crowd.come_back(back)
    stage.crowd.watch(some("new", 1 / 4), *sites)
    nobody_else(stage, gone)
    web.jump(0)
    working.jump(0)
    settle(stage)
