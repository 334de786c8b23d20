"""The last one left, somebody came back: the alarms that follow from what the store said.

The store alone decides that an event has ended. An alarm only makes somebody ask it: it may ring
late, twice or never.
"""

from __future__ import annotations

from typing import Protocol

from .store.base import Change, Report
from .telemetry.logs import log
from .timer import Timer


class Alarms(Protocol):
    """Alarms that outlive this thread, and reach whoever delivers."""

    def arm(self, event_id: str, session: str, due: int, wait: int) -> None:
        """Ring for a session in ``wait`` milliseconds, when the store's clock shows ``due``."""

    def ring(self, event_id: str, session: str, due: int) -> None:
        """Ring for a session now."""

    def ring_unheard(self) -> None:
        """Ring now for whatever is ready, because nobody heard."""

    def disarm(self, sessions: list[str]) -> None:
        """Remove the alarms of sessions, where they have not rung yet."""


class Endings:
    """Keeps an alarm for each event in its grace period that this process saw empty.

    :param alarms: the durable alarms, which RQ keeps.
    :param timer: the precise ones, which this process keeps; None in a process without a keeper.
    """

    def __init__(self, alarms: Alarms, timer: Timer | None) -> None:
        self._alarms = alarms
        self._timer = timer

    def reported(self, report: Report) -> None:
        """Set and remove alarms as a report's answer says."""
        for row in report.events:
            if row.change is Change.ENDING and row.due is not None:
                self._pending(row.event_id, row.session, row.due, report.now)
            elif row.change is Change.RESUMED:
                self._resumed(row.event_id, row.session)

    def _pending(self, event_id: str, session: str, due: int, now: int) -> None:
        wait = max(0, due - now)
        log.info(
            "Scheduled event end notification for event %s in %g seconds",
            event_id,
            wait / 1000,
            extra={"event_id": event_id, "session": session, "delay": wait / 1000},
        )
        if self._timer is not None:
            # Stores keep whole milliseconds: within the last one nothing would be due yet.
            self._timer.set(session, (wait + 1) / 1000, (event_id, session, due))
        self._alarms.arm(event_id, session, due, wait)

    def _resumed(self, event_id: str, session: str) -> None:
        log.debug("Event %s resumed", event_id, extra={"event_id": event_id, "session": session})
        if self._timer is not None:
            self._timer.cancel(session)
        self._alarms.disarm([session])

    def ring_unheard(self) -> None:
        """Ring for whatever is ready, because nobody heard."""
        self._alarms.ring_unheard()

    def tick(self) -> float | None:
        """Ring for what is due by this process's timer; return the seconds till the next."""
        if self._timer is None:
            return None
        due = self._timer.pop_due()
        if due:
            # One ring is enough: whoever hears it claims all that is due.
            self._alarms.ring(*due[-1])
        return self._timer.wait()
