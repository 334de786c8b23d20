"""The store in this process's memory: for one-process use and for tests.

The same acts as the Redis scripts, each under one lock, held to the same suite of tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ..event import EventStatus
from .base import (
    Change,
    Ended,
    GuestAct,
    Heartbeat,
    Held,
    Look,
    Over,
    Report,
    Reported,
    Totals,
)
from .bounds import OVER_MS, OVERDUE_MS, RINGING_MS, UNHEARD_MS
from .memory_ledger import MemoryLedger, Session

GUESTS = "guests"


@dataclass
class _Holder:
    lease: int
    seq: int = 0
    held: dict[str, int] = field(default_factory=dict)


class MemoryStore(MemoryLedger):
    """One process's store. What is pending ends with the process.

    :param clock: seconds since the epoch; default: one that never jumps.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        super().__init__(clock)
        self._holders: dict[str, _Holder] = {GUESTS: _Holder(lease=2**62)}
        self._guests: dict[str, dict[str, int]] = {}
        self._stragglers: dict[str, dict[str, int]] = {}
        self._clients: dict[str, int] = {}
        self._sessions: dict[str, Session] = {}
        self._due: dict[str, int] = {}
        self._over: dict[tuple[str, str, Change], int] = {}
        self._problems: dict[str, float] = {}
        self._ringing = 0

    def _apply(
        self, held: dict[str, int], event: str, count: int, candidate: str, delay: int
    ) -> Reported:
        clients = self._clients.get(event, 0) + count - held.get(event, 0)
        session, due, change = self._sessions.get(event), self._due.get(event), Change.NONE
        held[event] = count
        if count == 0:
            del held[event]
        if session is None and clients > 0:
            session = self._sessions[event] = Session(candidate, self._after(), delay)
            change = Change.STARTED
            self._stats["sessions_begun"] += 1
        elif due is not None and clients > 0:
            del self._due[event]
            due, change = None, Change.RESUMED
            self._stats["grace_periods|resumed"] += 1
        if session is not None:
            if delay >= 0:
                session.delay = delay
            if clients == 0 and due is None:
                due = self._due[event] = self._after() + session.delay
                change = Change.ENDING
            session.peak = max(session.peak, clients)
            self._clients[event] = clients
        return Reported(event, change, session.id if session else "", clients, due)

    def report(
        self, holder: str, seq: int, lease: int, held: Mapping[str, Held], full: bool
    ) -> Report:
        with self._act():
            known = self._holders.get(holder)
            if known is None:
                if not full:
                    return Report(self._after(), known=False)
                known = self._holders[holder] = _Holder(lease=0)
            if seq < known.seq:
                return Report(self._after())
            known.lease, known.seq = self._after() + lease, seq
            gone = {event: Held(0, "", -1) for event in known.held if full and event not in held}
            rows = []
            for event, h in (gone | dict(held)).items():
                if (event, h.session, Change.PURGED) in self._over:
                    rows.append(Reported(event, Change.PURGED, "", 0, None))
                elif (event, h.session, Change.STOPPED) in self._over:
                    row = self._apply(known.held, event, 0, h.session, h.delay)
                    rows.append(Reported(event, Change.STOPPED, row.session, row.clients, row.due))
                else:
                    if h.most > max(h.count, known.held.get(event, 0)):
                        flash = self._apply(known.held, event, h.most, h.session, h.delay)
                        rows += [flash] if flash.change is not Change.NONE else []
                    rows.append(self._apply(known.held, event, h.count, h.session, h.delay))
            return Report(self._after(), tuple(rows))

    def heartbeat(self, holder: str, lease: int, since: int) -> Heartbeat:
        with self._act():
            now = self._now()
            known = self._holders.get(holder)
            if known is not None:
                known.lease = self._after() + lease
            ring = self._ready(now - UNHEARD_MS) > 0 and self._ringing <= now
            if ring:
                self._ringing = now + RINGING_MS
            return Heartbeat(
                known=known is not None,
                now=now,
                clients=sum(self._clients.values()),
                lapsed=tuple(name for name, h in self._holders.items() if h.lease <= now)[:10],
                over=tuple(Over(*key) for key, at in self._over.items() if at >= since),
                expired=tuple(e for e, g in self._guests.items() if min(g.values()) <= now)[:100],
                ring=ring,
            )

    def reap(self, holder: str, goodbye: bool = False) -> Report:
        with self._act():
            known = self._holders.get(holder)
            if known is None or (known.lease > self._now() and not goodbye):
                return Report(self._after())
            rows = [self._apply(known.held, event, 0, "", -1) for event in list(known.held)]
            del self._holders[holder]
            return Report(self._after(), tuple(rows))

    def guest(
        self, act: GuestAct, event_id: str, guest: str, ttl: int, session: str, delay: int
    ) -> Report:
        with self._act():
            guests = self._guests.get(event_id, {})
            gone = self._stragglers.get(event_id, {})
            before, until = set(guests), self._after() + ttl
            if act == "seen" and gone.get(guest, 0) > self._now():
                gone[guest] = until
            elif act in ("join", "seen"):
                gone.pop(guest, None)
                guests[guest] = max(until, guests.get(guest, 0))
            elif act == "leave":
                gone.pop(guest, None)
                guests.pop(guest, None)
            came = len(set(guests) - before)
            guests = {name: at for name, at in guests.items() if at > self._now()}
            if guests:
                self._guests[event_id] = guests
            else:
                self._guests.pop(event_id, None)
            held = self._holders[GUESTS].held
            row = self._apply(held, event_id, len(guests), session, delay)
            went = len(before) + came - len(guests)
            return Report(self._after(), (row,), came=came, went=went)

    def _forget_stragglers(self, now: int) -> None:
        self._stragglers = {
            event: gone
            for event, gone in self._stragglers.items()
            if max(gone.values(), default=0) > now
        }

    def schedule(self, event_id: str, session: str, delay: int) -> Report:
        with self._act():
            clients, known = self._clients.get(event_id, 0), self._sessions.get(event_id)
            if clients > 0 and known is not None:
                row = Reported(event_id, Change.NONE, known.id, clients, None)
                return Report(self._after(), (row,))
            if known is None:
                known = self._sessions[event_id] = Session(session, self._after(), delay)
                self._clients[event_id] = 0
                self._stats["sessions_begun"] += 1
            due = self._due[event_id] = self._after() + delay
            row = Reported(event_id, Change.ENDING, known.id, 0, due)
            return Report(self._after(), (row,))

    def finish(self, event_id: str, change: Change) -> Ended | None:
        with self._act():
            session, now = self._sessions.pop(event_id, None), self._now()
            if session is None:
                return None
            clients = sum(h.held.pop(event_id, 0) for h in self._holders.values())
            if change is Change.STOPPED and event_id in self._guests:
                self._stragglers[event_id] = self._guests[event_id]
            for forget in (self._guests, self._clients, self._due):
                forget.pop(event_id, None)
            self._forget_stragglers(now)
            self._over = {key: at for key, at in self._over.items() if at > now - OVER_MS}
            self._over[event_id, session.id, change] = self._after()
            if change is Change.PURGED:
                self._stats["sessions_purged"] += 1
                return Ended(event_id, session.id, now, session.started, session.peak, clients)
            return self._deliver(event_id, session, now, clients)

    def _ready(self, now: int) -> int:
        return sum(at <= now for at in (*self._due.values(), *self._instants()))

    def look(self, due: int | None) -> Look:
        with self._act():
            now = self._now()
            still = due in self._due.values() or due in self._instants()
            return Look(now, self._ready(now), due is not None and due > now and still)

    def claim(self, limit: int) -> list[Ended]:
        with self._act():
            now = self._now()
            ready = sorted((at, event) for event, at in self._due.items() if at <= now)[:limit]
            ended = []
            for due, event in ready:
                del self._due[event], self._clients[event]
                self._stats["grace_periods|ended"] += 1
                ended.append(self._deliver(event, self._sessions.pop(event), due, 0))
            return ended

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
            owed = [e.due for e in self._ledger.values() if e.next_at is not None]
            overdue = sum(at <= now - OVERDUE_MS for at in (*self._due.values(), *owed))
            ranked = sorted(self._clients.items(), key=lambda item: (item[1], item[0]))
            return Totals(
                now=now,
                clients=sum(self._clients.values()),
                live=len(self._clients) - len(self._due),
                ending=len(self._due),
                overdue=overdue,
                dead=sum(entry.state == "dead" for entry in self._ledger.values()),
                counters=dict(self._stats),
                problems=dict(self._problems),
                busiest=tuple(ranked[::-1][:busiest]),
            )
