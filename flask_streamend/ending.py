"""The last one left, somebody came back: the alarms that follow from what the store said.

The store alone decides that an event has ended. An alarm only makes somebody ask it: it may ring
late, twice or never.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from .owed import Owed
from .store.base import Change, Ended, Report, Reported
from .store.totals import SETTLED
from .telemetry.end_spans import EndSpan, EndSpans
from .telemetry.logs import ids, log
from .timer import Timer


class Alarm(NamedTuple):
    """What an alarm is set for.

    :param due: the instant on the store's clock, in milliseconds.
    :param wait: milliseconds until then.
    :param trace: the context of the end's trace, where it has one.
    """

    event_id: str
    session: str
    due: int
    wait: int
    trace: str = ""


class Alarms(Protocol):
    """Alarms that outlive this thread, and reach whoever delivers."""

    def arm(self, alarms: list[Alarm]) -> None:
        """Set alarms, each to ring when its wait is over; one set before is moved."""

    def ring(self, alarm: Alarm) -> None:
        """Ring now."""

    def ring_unheard(self) -> None:
        """Ring now for whatever is ready, because nobody heard."""

    def disarm(self, sessions: list[str]) -> None:
        """Remove the alarms of sessions, where they have not rung yet."""

    def watch(self, lease: int) -> None:
        """Have somebody look after each ``lease`` milliseconds, in case no process is left to.

        0: no longer.
        """


class Endings:
    """Keeps an alarm for each event in its grace period that this process saw empty.

    :param alarms: the durable alarms, which RQ keeps.
    :param timer: the precise ones, which this process keeps.
    :param wake: called with a number of seconds, within which :meth:`tick` is wanted.
    :param away: says whether the store is away: then nobody who heard could do anything.
    :param spans: traces ends.
    :ivar owed: the ends this process has seen begin, until it knows them told.
    """

    def __init__(
        self,
        alarms: Alarms,
        timer: Timer[Alarm],
        wake: Callable[[float], None],
        away: Callable[[], bool] = lambda: False,
        spans: EndSpans | None = None,
    ) -> None:
        self._alarms = alarms
        self._timer = timer
        self._wake = wake
        self._away = away
        self._spans = spans or EndSpans()
        self.owed = Owed()

    def reported(self, report: Report, ends: Mapping[str, EndSpan] | None = None) -> None:
        """Set and remove alarms as a report's answer says.

        :param ends: by event, the spans of what may have ended by it.
        """
        alarms: dict[str, Alarm] = {}
        resumed: set[str] = set()
        live: set[str] = set()
        for row in report.events:
            if row.due is None and self.owed.said(row.session) > report.now:
                continue  # Another thread has heard since that it ends.
            if row.due is None:
                # Whoever resumed it: that end is owed no more.
                live.add(row.session)
            # Of a report that was repeated, the first answer was lost: it said that this begins.
            begins = row.change is Change.ENDING or not self.owed.knows(row.session)
            if row.due is not None and begins:
                wait = max(0, row.due - report.now)
                trace = ""
                if ends and (end := ends.get(row.event_id)) is not None:
                    trace = end.context
                    self._spans.noted(end, row, report.now)
                alarms[row.session] = Alarm(row.event_id, row.session, row.due, wait, trace)
                self.owed.note(row, report.now, trace)
            elif row.change is Change.RESUMED:
                resumed.add(row.session)
        self.owed.forget(live - set(alarms))
        self._spans.forget(live - set(alarms))
        for session in resumed - set(alarms):
            self._timer.cancel(session)
        for alarm in alarms.values():
            self._note(alarm)
        if resumed - set(alarms):
            self._alarms.disarm(list(resumed - set(alarms)))
        if alarms:
            self._alarms.arm(list(alarms.values()))

    def _note(self, alarm: Alarm) -> None:
        seconds = alarm.wait / 1000
        log.info(
            "Scheduled event end notification for event %s in %g seconds",
            alarm.event_id,
            seconds,
            extra={
                "event_id": alarm.event_id,
                "session": alarm.session,
                "delay": seconds,
                **ids(alarm.trace),
            },
        )
        self._timer.set(alarm.session, seconds, alarm)
        self._wake(seconds)

    def decided(self, ended: Ended, now: int) -> None:
        """Note an end that was ordered, and ring for it.

        :param now: the store's time.
        """
        row = Reported(
            *(ended.event_id, Change.ENDING, ended.session, 0, ended.due),
            *(ended.started, ended.peak),
        )
        self.owed.note(row, now, ended.trace)
        self._alarms.ring(Alarm(ended.event_id, ended.session, ended.due, 0, ended.trace))

    def let_go(self, sessions: list[str]) -> None:
        """Forget ends that are owed no more.

        One that was claimed before its alarm was set, here or by :meth:`arm_anew`, left the alarm
        behind, which only RQ's scheduler would ever find, where one runs.
        """
        self.owed.forget(sessions)
        if sessions:
            self._alarms.disarm(sessions)

    def ring_unheard(self) -> None:
        """Ring for whatever is ready, because nobody heard."""
        self._alarms.ring_unheard()

    def watch(self, lease: int) -> None:
        """Have somebody look after each lease, in case no process is left to; 0: no longer."""
        self._alarms.watch(lease)

    def arm_anew(self, now: int) -> None:
        """Set the alarms of all that is owed once more: the store has lost them.

        :param now: the store's time.
        """
        alarms = [
            Alarm(end.event_id, end.id, now + end.left, max(0, end.left), end.trace)
            for end in self.owed.kept()
            if end.state not in SETTLED
        ]
        if alarms:
            self._alarms.arm(alarms)

    def tick(self) -> float | None:
        """Ring for what is due by this process's timer; return the seconds till the next."""
        due = self._timer.pop_due()
        if due and not self._away():
            # One ring is enough: whoever hears it claims all that is due.
            self._alarms.ring(due[-1])
        return self._timer.wait()
