"""What a process costs, as Linux tells it."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

#: Whose versions a figure depends on.
PACKAGES = (
    *("flask", "flask-sock", "simple-websocket", "gunicorn", "gevent", "greenlet"),
    *("redis", "rq", "flask-mail", "flask-streamend"),
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


def descriptors(pid: int) -> int:
    """Return how many files a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid: int) -> int:
    """Return how many OS threads a process has."""
    return len(os.listdir(f"/proc/{pid}/task"))


def children(pid: int) -> list[int]:
    """Return a process's children."""
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "packages": {name: version(name) for name in PACKAGES},
    }
