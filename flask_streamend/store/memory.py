"""The store in this process's memory: for one-process use, for outages, and for tests.

The same acts as the Redis scripts, each under one lock, held to the same suite of tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from ..event import EventStatus
from .base import Change, Ended, Kept, Look
from .bounds import OVERDUE_MS, SEARCHED
from .deliveries import Owing
from .memory_presence import GUESTS
from .memory_put_back import MemoryPutBack
from .overview import Overview
from .totals import OWED, SETTLED, Busy, Totals


class MemoryStore(MemoryPutBack):
    """One process's store. What is pending ends with the process.

    :param clock: seconds since the epoch; default: one that never jumps.
    :param by_viewers: whether an event has ended that its viewers left.
    """

    def __init__(self, clock: Callable[[], float] | None = None, by_viewers: bool = True) -> None:
        super().__init__(clock)
        self._by_viewers = by_viewers
        self._problems: dict[str, float] = {}

    def look(self, due: int | None, quiet: int = 0) -> Look:
        with self._act():
            now = self._now()
            gap, hold = self._beat(), self._pulse.held(now)
            ends = sum(at <= now for at in self._due.values())
            deliveries = sum(at <= now for at in self._instants())
            paused = max(max(gap, hold) if ends else 0, hold if deliveries else 0)
            ready = (0 if gap or hold else ends) + (0 if hold else deliveries)
            if quiet and ends and not (gap or hold):
                self._beat(quiet=quiet)
            waits = due in (*self._due.values(), *self._instants()) and (due or 0) > now
            return Look(now, ready, waits, paused, self._pulse.epoch)

    def claim(self, limit: int) -> list[Ended]:
        with self._act():
            now = self._now()
            if self._beat() or self._pulse.held(now):
                return []
            ready = sorted((at, event) for event, at in self._due.items() if at <= now)[:limit]
            ended = []
            for due, event in ready:
                stopping = self._sessions[event].stopping
                if stopping and self._clients[event]:
                    stopped = self._finish(event, Change.STOPPED, when_due=True)
                    ended += [stopped] if stopped else []
                    continue
                session = self._drop(event)
                if session.emptied and not stopping and not self._by_viewers:
                    self._stats["sessions_purged"] += 1
                    continue
                self._stats["grace_periods|ended"] += 1
                ended.append(self._deliver(event, session, due, 0))
            return ended

    def kept(self) -> list[Kept]:
        """Return every end this store has decided or is about to: for another store to put back.

        What was told comes first: whatever else there is of an event began after it. What nobody
        tried to tell yet is judged afresh.
        """
        with self._act():
            now, ends = self._now(), []
            for id_, entry in self._ledger.items():
                session = entry.session
                # What nobody tried to tell by any channel.
                untold = entry.state == "pending" and not entry.channel
                ends.append(
                    Kept(
                        *(entry.event_id, session.id, now - session.started, entry.due - now),
                        *(session.peak, entry.clients),
                        state="ending" if untold else entry.state,
                        channel=entry.channel,
                        error=entry.error,
                        attempts=entry.attempts,
                        trace=session.trace,
                        unique_viewers=session.unique,
                        delivery="" if id_ == session.id else id_,
                    )
                )
            for event, due in self._due.items():
                one = self._sessions[event]
                kept = Kept(event, one.id, now - one.started, due - now, one.peak)
                ends.append(replace(kept, trace=one.trace, unique_viewers=one.unique_viewers))
            return ends

    def still_owed(self, ends: Sequence[tuple[str, str]]) -> dict[str, Owing]:
        owed = {}
        with self._act():
            for event, id_ in ends:
                shares, due = self._owed_shares(id_), self._due.get(event)
                if due is not None and self._sessions[event].id == id_:
                    owed[id_] = Owing(due - self._now(), shares or ())
                elif shares is not None:
                    owed[id_] = Owing(self._ledger[id_].due - self._now(), shares)
        return owed

    def traces(self, ends: Sequence[tuple[str, str]]) -> dict[str, tuple[str, bool]]:
        found = {}
        with self._act():
            for event, id_ in ends:
                session = self._sessions.get(event)
                if id_ in self._ledger:
                    found[id_] = self._ledger[id_].session.trace, True
                elif session is not None and session.id == id_:
                    found[id_] = session.trace, False
        return found

    def next_try(self) -> int | None:
        with self._act():
            times = [*self._due.values(), *self._instants()]
            return max(0, min(times) - self._now()) if times else None

    def status(self, event_ids: Iterable[str]) -> list[EventStatus]:
        with self._act():
            return [self._status(event_id) for event_id in event_ids]

    def _status(self, event_id: str) -> EventStatus:
        session, due = self._sessions.get(event_id), self._due.get(event_id)
        if session is None:
            return EventStatus(event_id, "idle")
        return EventStatus(
            event_id,
            "live" if due is None else "ending",
            self._clients[event_id],
            session.id,
            session.started / 1000,
            None if due is None else due / 1000,
            session.peak,
            session.unique_viewers,
        )

    def overview(self, events: int, deliveries: int) -> Overview:
        with self._act():
            dues = sorted((due, event) for event, due in self._due.items())
            ranked = sorted(((n, event) for event, n in self._clients.items() if n), reverse=True)
            owed, closed = self._opened(), self._closed()[:SEARCHED]
            dead = [record for record in closed if record.state == "dead"]
            settled = [record for record in closed if record.state != "dead"]
            return Overview(
                ending=tuple(self._status(event) for _, event in dues[:events]),
                live=tuple(
                    self._status(event) for _, event in ranked[:events] if event not in self._due
                ),
                dead=tuple(dead[:deliveries]),
                owed=tuple(owed[:deliveries]),
                settled=tuple(settled[:deliveries]),
            )

    def event_ids(self) -> Iterator[str]:
        with self._act():
            names = list(self._sessions)
        yield from names

    def note_problem(self, code: str, there: bool) -> None:
        with self._act():
            if there:
                self._problems.setdefault(code, self._now() / 1000)
            else:
                self._problems.pop(code, None)

    def totals(self, busiest: int) -> Totals:
        with self._act():
            now = self._now()
            late = now - OVERDUE_MS
            entries = self._ledger.values()
            owed = {s: [e.overdue_from for e in entries if e.state == s] for s in OWED}
            over = {state: [due for due in dues if due <= late] for state, dues in owed.items()}
            over["pending"] += [due for due in self._due.values() if due <= late]
            if late < self._pulse.hold:
                over = {state: [] for state in OWED}
            oldest = min((due for dues in over.values() for due in dues), default=now)
            ranked = sorted(self._clients.items(), key=lambda item: (item[1], item[0]))[::-1]
            leases = [h.lease for name, h in self._holders.items() if name != GUESTS]
            return Totals(
                now=now,
                processes=sum(lease >= now for lease in leases),
                clients=sum(self._clients.values()),
                live=len(self._sessions) - len(self._due),
                ending=len(self._due),
                overdue_by={state: len(dues) for state, dues in over.items()},
                oldest=(now - oldest) / 1000,
                deliveries={s: sum(e.state == s for e in entries) for s in (*OWED, *SETTLED)},
                counters=dict(self._stats),
                problems=dict(self._problems),
                busiest=tuple(self._busy(*item) for item in ranked[:busiest]),
                exemplars=dict(self._exemplars),
                gap=self._beat(),
                hold=self._pulse.held(now),
                swept=self._pulse.swept / 1000,
            )

    def _busy(self, event: str, clients: int) -> Busy:
        due = self._due.get(event)
        return Busy(event, clients, None if due is None else due / 1000)
