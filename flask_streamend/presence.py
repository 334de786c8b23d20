"""What this process reports to the store of its viewers.

A process counts the viewers it holds; the store keeps one number per event and process. An event's
first and last viewer here are reported at once, other changes are gathered. While the store is away
the stand-in is told instead, and when it is back everything is put back.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from .contact import Contact
from .crowd import Crowd
from .ending import Endings
from .errors import StoreError
from .heard import Heard
from .known import Known
from .observing import Observers
from .standin import StandIn
from .store.base import Change, Held, Over, Report
from .store.interface import Store
from .telemetry.end_spans import EndSpans

#: Seconds within which a process that lives is heard of: two beats, and a bit.
QUIET = 4.5
#: Events whose changes are kept for a store that is away; the changes of more are lost to it.
UNHEARD = 10_000


class Presence(Crowd):
    """The viewers one process holds: one holder in the store.

    :param store: where they are reported.
    :param endings: told of what a report made pending, or resumed.
    :param observers: told of who came and went, and of failures.
    :param contact: told whether the store answers.
    :param stand_in: told instead of the store while that is away; None: it is never away.
    :param lease: seconds after which the store may forget this process.
    :param wake: called with a number of seconds, within which :meth:`tick` is wanted.
    :param spans: traces what may be an end.
    :ivar seq: the number of the last report.
    :ivar epoch: the life of the store that knows what this process knows; empty before the first.
    :ivar heard: the store's time as it was heard last.
    :ivar quiet: milliseconds within which this process is heard of again.
    :ivar introductions: how often the store was told all; 0: it does not know this process.
    :ivar put_back: puts back the ends, told whether the store has lost what it knew.
    """

    def __init__(
        self,
        store: Store,
        endings: Endings,
        observers: Observers,
        contact: Contact,
        stand_in: StandIn | None,
        lease: float,
        wake: Callable[[float], None],
        spans: EndSpans | None = None,
    ) -> None:
        super().__init__(observers, wake, spans)
        self._store = store
        self._endings = endings
        self._contact = contact
        self._stand_in = stand_in
        if stand_in is not None:
            stand_in.hear = self._let_stand_in_hear
        self._lease = int(lease * 1000)
        self.quiet = int(min(lease / 2, QUIET) * 1000)
        self.holder = secrets.token_hex(8)
        self.seq = 0
        self.epoch = ""
        self.heard = Heard()
        # While the store is away: what the stand-in has, and what waits for the store.
        self._ours: set[str] = set()
        self._unheard: set[str] = set()
        # After a store was emptied, others come back within a lease.
        self._all_there_at = 0.0
        # Reports leave one at a time: their order is what makes an older one recognisable.
        self._reporting = threading.Lock()
        self._settled = threading.Event()
        self.introductions = 0
        self.put_back: Callable[[bool], None] = lambda emptied: None

    def goodbye(self) -> None:
        """Report the last changes, and have the store forget this process.

        :raises StoreError: where the store does not answer; it forgets when the lease lapses.
        """
        self.flush()
        if self._contact.away:
            # Its stand-in ends with it: what that knows is the store's to hear, or nobody's.
            with self._reporting:
                self._report(set(self._known), full=True)
        if self.introductions:
            self._endings.reported(self._store.reap(self.holder, goodbye=True))

    def tick(self) -> float | None:
        """Report what changed, if it is time; return the seconds until the next report is."""
        if self._flush_at is not None and self._flush_at <= time.monotonic():
            with suppress(StoreError):  # counted, logged and to be tried again: see flush
                self.flush()
        return None if self._flush_at is None else max(0.0, self._flush_at - time.monotonic())

    def flush(self) -> None:
        """Report what changed since the last report; to the stand-in while the store is away.

        :raises StoreError: where the store does not answer; the changes are reported next time.
        """
        with self._reporting:
            with self._lock:
                changed, self._changed, self._flush_at = self._changed, set(), None
                self._flushed_at = time.monotonic()  # before it is made: what comes meanwhile waits
                emptied = [event_id for event_id in changed if event_id not in self._viewers]
            if not changed:
                return
            if self._contact.away:
                self._report_here(changed)
                return
            try:
                report = self._report(changed, full=not self.introductions)
                if not report.known:
                    with self._lock:
                        self._changed |= changed
                    self._come_back(introduce=True, emptied=report.epoch != self.epoch)
            except StoreError as error:
                self._contact.lost(error)
                with self._lock:
                    self._changed |= changed
                    for event_id in () if error.refused else emptied:
                        # Whether the store heard that the last one left is in doubt: it decides,
                        # whoever has come since.
                        if event_id in self._known:
                            self._known[event_id].alone = False
                    self._flush_at = time.monotonic()
                self._wake(0.0)
                raise
            self._contact.back()
            self._forget(changed)
        self._settled.set()
        self._observers.forget()

    def _report_here(self, changed: set[str]) -> None:
        """Report to the stand-in what is its, and keep the rest for the store."""
        if self._stand_in is None:
            return
        with self._lock:
            begins = not self._stand_in.stands
            if begins:
                self._ours = {e for e, known in self._known.items() if known.alone}
            room = UNHEARD - len(self._unheard)
            self._unheard.update(sorted(changed - self._ours - self._unheard)[:room])
            ours = self._ours if begins else self._ours & changed
            held = {event_id: self._held(event_id, self.seq + 1, begins) for event_id in ours}
        ends = self._begin_ends(held)
        if begins:
            wait = self._lease / 1000 - self._contact.silent()
            report = self._stand_in.begin(held, wait, ends)
        elif held:
            report = self._stand_in.report(held, ends)
        else:
            return
        self._take_in(report, held)

    def _tell_stand_in(self) -> None:
        """Report to the stand-in what changed since the last report, if it stands in."""
        if self._stand_in is not None and self._stand_in.stands:
            with self._lock:
                changed, self._changed = self._changed, set()
            self._report_here(changed)

    def _let_stand_in_hear(self) -> None:
        with self._reporting:
            self._tell_stand_in()

    def come_back(self, introduce: bool, emptied: bool) -> None:
        """Put everything back: the store answers again, or does not know this process any more.

        :param introduce: have the store know this process, whatever it holds.
        :param emptied: the store has lost what it knew.
        :raises StoreError: where the store does not answer after all.
        """
        with self._reporting:
            self._come_back(introduce, emptied)

    def _come_back(self, introduce: bool, emptied: bool) -> None:
        if emptied:
            self._all_there_at = time.monotonic() + self._lease / 1000
        # It hears the rest of what is its own: the store never heard of these sessions.
        self._tell_stand_in()
        if self._stand_in is not None:
            self._had_viewers(self._stand_in.live())
        self._resume()
        # Before the viewers: who watches on is none who resumes what was stopped.
        self.put_back(emptied)
        with self._lock:
            changed, self._changed = self._changed | self._unheard, set()
            self._ours = set()
        try:
            if introduce or changed:
                self._report(changed, full=True)
        except StoreError:
            with self._lock:
                self._changed |= changed
            raise
        with self._lock:
            self._unheard -= changed
        self._contact.back()
        self._forget(set(self._known))

    def _resume(self) -> None:
        """Have who came back in time, unheard, belong to the session that was ending."""
        with self._lock:
            for event_id, known in self._known.items():
                came = known.most or known.unsure or event_id in self._viewers
                if came and not known.peak:
                    end = self._endings.owed.resume(event_id, known.began)
                    if end is not None:
                        known.session, known.began = end.session, end.began
                        known.peak = max(1, end.peak)

    def settle(self, within: float) -> None:
        """Have what changed reported, and wait for it no longer than ``within`` seconds.

        Not while the store is away: nobody would answer.
        """
        with self._lock:
            if not self._changed or self._contact.away:
                return
            self._flush_at = time.monotonic()
            self._settled.clear()
        self._wake(0.0)
        self._settled.wait(within)

    def _report(self, events: set[str], full: bool) -> Report:
        if full:
            # The store may be another one, or emptied, though nobody has said so yet.
            self._resume()
        with self._lock:
            names = events | set(self._viewers) if full else events
            held = {event_id: self._held(event_id, self.seq + 1, full) for event_id in names}
        ends = self._begin_ends(held)
        self.seq += 1
        report = self._store.report(
            *(self.holder, self.seq, self._lease, held, full),
            *(self.epoch, self.quiet, self.heard.last),
        )
        self.heard.hear(report.now)
        if report.known:
            self.introductions += full
            self._endings.reported(self._take_in(report, held), ends)
        return report

    def _take_in(self, report: Report, held: dict[str, Held]) -> Report:
        """Learn from an answer; return what of it concerns sessions that go on."""
        rows = []
        for row in report.events:
            reported = held.get(row.event_id)
            if row.change in (Change.STOPPED, Change.PURGED):
                session = reported.session if reported is not None else ""
                self.over(Over(row.event_id, session, row.change, row.due or 0), report.now)
                continue
            if reported is not None and reported.peak and row.change is Change.STARTED:
                # It was put back: it had begun before.
                row = replace(row, change=Change.NONE)  # noqa: PLW2901
            with self._lock:
                known = self._known.get(row.event_id)
                if known is not None:
                    count = reported.count if reported is not None else 0
                    known.learn(row, report.now, count, time.monotonic() >= self._all_there_at)
                    self._named(row.event_id, () if reported is None else reported.names)
            self.tell(row.event_id, row.clients)
            self._observers.counted(row, report.now)
            rows.append(row)
        return replace(report, events=tuple(rows))

    def over(self, over: Over, now: int) -> Known | None:
        """Act on a session's being over; one that was stopped is owed from then on.

        Whoever stopped it may be gone, or may not have heard that it did.
        """
        known = super().over(over, now)
        if over.change is Change.STOPPED:
            ends = None if known is None else known.stopped(over, now)
            self._endings.owed.stopped(over, now, ends)
        return known

    def _forget(self, events: set[str]) -> None:
        with self._lock:
            # One by one: a difference of sets would look at all that is held.
            for event_id in events:
                wanted = event_id in self._changed or event_id in self._unheard
                if not (wanted or event_id in self._viewers):
                    self._known.pop(event_id, None)
