"""The one thread (or greenlet) of a process: reports, leases and precise alarms.

It starts with a web process's first request, never in a command, an RQ worker or gunicorn's master,
and sleeps until something is to be done.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .telemetry.logs import log

#: A task does what is due and returns the seconds until it wants to be called again, if at all.
Task = Callable[[], float | None]

#: Seconds slept at the most: a task that failed is tried again after this.
LONGEST = 5.0


class Keeper:
    """Calls its tasks when they want to be called.

    :param fail: called when a task raised, to count it.
    """

    def __init__(self, fail: Callable[[], None]) -> None:
        self._tasks: list[Task] = []
        self._fail = fail
        self._condition = threading.Condition()
        self._wake_at = 0.0
        self._stopped = False
        self._thread: threading.Thread | None = None

    def add(self, task: Task) -> None:
        """Add a task, before the start."""
        self._tasks.append(task)

    @property
    def started(self) -> bool:
        """Return whether the thread was started, or is not to be."""
        return self._stopped or self._thread is not None

    def start(self) -> None:
        """Start the thread, if it does not run yet."""
        with self._condition:
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(
                    target=self._run, name="flask_streamend.keeper", daemon=True
                )
                self._thread.start()

    def stop(self) -> None:
        """End the thread after what it does now; one that never started won't."""
        with self._condition:
            self._stopped = True
            self._condition.notify()

    def wake(self, within: float) -> None:
        """Have the tasks called within this many seconds."""
        at = time.monotonic() + within
        with self._condition:
            if at < self._wake_at:
                self._wake_at = at
                self._condition.notify()

    def _run(self) -> None:
        while not self._stopped:
            with self._condition:
                self._wake_at = float("inf")
            waits = [wait for task in self._tasks if (wait := self._call(task)) is not None]
            at = time.monotonic() + min([LONGEST, *waits])
            with self._condition:
                self._wake_at = min(self._wake_at, at)
                while not self._stopped and (left := self._wake_at - time.monotonic()) > 0:
                    self._condition.wait(left)

    def _call(self, task: Task) -> float | None:
        try:
            return task()
        except Exception:  # noqa: BLE001 - whatever it is, the thread must outlive it
            self._fail()
            log.exception("A task of the keeper failed; it is called again")
            return LONGEST
