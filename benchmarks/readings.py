"""What a process costs, as Linux tells it."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tests.servers import eventually, redis_program

#: Whose versions a figure depends on.
PACKAGES = (
    *("flask", "flask-sock", "simple-websocket", "gunicorn", "gevent", "greenlet"),
    *("redis", "rq", "flask-mail", "flask-socketio"),
)


def cpu(pid: int) -> float:
    """Return the CPU seconds all threads of a process used, those that ended included.

    ``/proc/<pid>/stat`` has the same figure in steps of 10 ms; the process's CPU clock
    (clock_getcpuclockid(3)) has it in nanoseconds.
    """
    return time.clock_gettime((~pid << 3) | 2)


def memory(pid: int) -> int:
    """Return a process's proportional set size in bytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/{pid}/smaps_rollup has no Pss")


def spent(pid: int, act: Callable[[], object]) -> float:
    """Return the milliseconds of CPU that a process used while something was done."""
    before = cpu(pid)
    act()
    return (cpu(pid) - before) * 1000


def descriptors(pid: int) -> int:
    """Return how many files a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid: int) -> int:
    """Return how many OS threads a process has."""
    return len(os.listdir(f"/proc/{pid}/task"))


def children(pid: int) -> list[int]:
    """Return a process's children."""
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def still(pid: int) -> None:
    """Wait until a process has nothing left to do."""
    time.sleep(0.1)

    def idle() -> bool:
        before = cpu(pid)
        time.sleep(0.1)
        return cpu(pid) - before < 0.005

    eventually(idle, "the process is idle")


class Others:
    """What others made this machine do since this was made, a hypervisor's guests included."""

    def __init__(self) -> None:
        self._began = self._all(), self._own(), time.monotonic()

    @staticmethod
    def _all() -> float:
        user, nice, system, _, _, *rest = map(int, Path("/proc/stat").read_text().split()[1:9])
        return sum((user, nice, system, *rest)) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def _own() -> float:
        own = os.times()
        return own.user + own.system + own.children_user + own.children_system

    def share(self) -> float:
        """Return their share of all cores, now that every process of our own has ended."""
        every, own, began = self._began
        cores = os.cpu_count() or 1
        used = self._all() - every - (self._own() - own)
        return max(0.0, used / (time.monotonic() - began) / cores)


def _redis_version() -> str:
    """Return the version of the Redis that measurements start."""
    program = redis_program() or "redis-server"
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)  # noqa: S603 - as the tests find it
    return said.stdout.partition("v=")[2].partition(" ")[0]


def _version(package: str) -> str:
    """Return a package's version; empty where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "cores": os.cpu_count(),
        "redis": _redis_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }
