"""Alarms within one process: what ``memory://`` has instead of RQ."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .ending import Alarm
from .telemetry.logs import log
from .timer import Timer


class LocalAlarms:
    """Rings by delivering in a thread of this process, one at a time.

    :param timer: where alarms lie until they ring.
    :param wake: called when the timer has something new.
    """

    def __init__(self, timer: Timer[Alarm], wake: Callable[[], None]) -> None:
        self._timer = timer
        self._wake = wake
        self._deliver: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._again = False
        self._running = False

    def connect(self, deliver: Callable[[], None]) -> None:
        """Set what is done when an alarm rings."""
        self._deliver = deliver

    def arm(self, alarms: list[Alarm]) -> None:
        for alarm in alarms:
            self._timer.set(alarm.session, (alarm.wait + 1) / 1000, alarm)
        self._wake()

    def ring(self, alarm: Alarm) -> None:
        self.ring_unheard()

    def ring_unheard(self) -> None:
        with self._lock:
            self._again = True
            if self._running:
                return
            self._running = True
        threading.Thread(target=self._run, name="flask_streamend.deliverer", daemon=True).start()

    def disarm(self, sessions: list[str]) -> None:
        for session in sessions:
            self._timer.cancel(session)

    def watch(self, lease: int) -> None:
        """Do nothing: what is here ends with this process."""

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._again:
                    self._running = False
                    return
                self._again = False
            try:
                self._deliver()
            except Exception:  # noqa: BLE001 - what is due stays due, and is rung for again
                log.exception("Delivering failed")
