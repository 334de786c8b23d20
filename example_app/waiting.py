"""Wait for things with a bound, and stop waiting when told to."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

_told_to_stop = threading.Event()


class Failed(Exception):
    """Say in one plain sentence why the example can't go on."""

    def __init__(self, reason: str, log: str = "") -> None:
        """Keep the reason, and the name of the process whose log explains it, if any does."""
        super().__init__(reason)
        self.log = log


class Stopped(Exception):
    """Say that Ctrl-C or SIGTERM came."""


def stop_at_signals() -> None:
    """Make SIGINT and SIGTERM end the next wait instead of raising anywhere.

    An exception out of nowhere could come between the start of a process and the note of its id,
    and would leave it running.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _told_to_stop.set())


def pause(seconds: float) -> None:
    """Sleep.

    :raises Stopped: when a signal comes meanwhile, or came before.
    """
    if _told_to_stop.wait(seconds):
        raise Stopped


def wait_for(
    look: Callable[[], Found | None],
    seconds: float,
    reason: str,
    *,
    log: str = "",
    every: float = 0.02,
) -> Found:
    """Look again and again until there is something other than None or False, and return it.

    :raises Failed: with the reason, after so many seconds.
    :raises Stopped: when a signal came.
    """
    until = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        if time.monotonic() > until:
            raise Failed(reason, log)
        pause(every)
