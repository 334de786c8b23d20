"""Run other programs as children: each in a process group of its own, its output in a file."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

TAIL = 25  # lines of a log shown when something went wrong
PATIENCE = 8.0  # s a child has to stop by itself


class Child:
    """Be one program that was started here, and stop that one and no other."""

    def __init__(self, name: str, command: list[str], folder: Path, env: Mapping[str, str]) -> None:
        """Start the program.

        A session of its own keeps the terminal's Ctrl-C from it: it is stopped in order, by us.
        """
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def ended(self) -> bool:
        """Tell whether the program is not running any more."""
        return self.process.poll() is not None

    def output(self) -> str:
        """Return what the program has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def tail(self) -> str:
        """Return the last lines the program has printed."""
        return "\n".join(f"    {line}" for line in self.output().splitlines()[-TAIL:])


def stop_all(children: Iterable[Child]) -> None:
    """Ask all to stop at once, wait for them, and kill what is left of their process groups."""
    running = list(children)
    for child in running:
        if not child.ended():
            child.process.terminate()
    until = time.monotonic() + PATIENCE
    for child in running:
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(max(0.0, until - time.monotonic()))
        # The group outlives its first process as long as one of its own children does.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()
