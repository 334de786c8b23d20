"""The last one left, somebody came back: the alarms that follow from what the store said.

The store alone decides that an event has ended. An alarm only makes somebody ask it: it may ring
late, twice or never.
"""

from __future__ import annotations

from typing import Protocol

from .telemetry.logs import log
from .timer import Timer


class Alarms(Protocol):
    """Alarms that outlive this process."""

    def arm(self, event_id: str, session: str, due: int, wait: int) -> None:
        """Ring for a session in ``wait`` milliseconds, when the store's clock shows ``due``."""

    def ring(self, event_id: str, session: str, due: int) -> None:
        """Ring now."""

    def disarm(self, sessions: list[str]) -> None:
        """Remove the alarms of sessions, where they have not rung yet."""


class Endings:
    """Keeps an alarm for each event in its grace period that this process saw empty.

    :param alarms: the durable alarms, which RQ keeps.
    :param timer: the precise ones, which this process keeps.
    """

    def __init__(self, alarms: Alarms, timer: Timer) -> None:
        self._alarms = alarms
        self._timer = timer

    def pending(self, event_id: str, session: str, due: int, now: int) -> None:
        """Note that an event's grace period runs.

        :param due: when it ends, on the store's clock in milliseconds.
        :param now: the store's time.
        """
        wait = max(0, due - now)
        log.info(
            "Scheduled event end notification for event %s in %g seconds",
            event_id,
            wait / 1000,
            extra={"event_id": event_id, "session": session, "delay": wait / 1000},
        )
        self._timer.set(session, wait / 1000, (event_id, session, due))
        self._alarms.arm(event_id, session, due, wait)

    def resumed(self, event_id: str, session: str) -> None:
        """Note that somebody came back within the grace period."""
        log.debug("Event %s resumed", event_id, extra={"event_id": event_id, "session": session})
        self._timer.cancel(session)
        self._alarms.disarm([session])

    def tick(self) -> float | None:
        """Ring for what is due by this process's timer; return the seconds till the next."""
        due = self._timer.pop_due()
        if due:
            # One ring is enough: whoever hears it claims all that is due.
            self._alarms.ring(*due[-1])
        return self._timer.wait()
