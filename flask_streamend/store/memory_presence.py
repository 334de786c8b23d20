"""Who watches what, in the store in memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .base import Change, Ended, Heartbeat, Held, Over, Report, Reported
from .bounds import OVER_MS, QUIET_MS, RINGING_MS, SHARED_MAX, UNHEARD_MS
from .memory_digest import MemoryDigests
from .memory_gone import Gone
from .memory_session import Holder, Session, meet

GUESTS = "guests"


class MemoryPresence(MemoryDigests):
    """Holders, sessions, and when they end.

    :param clock: seconds since the epoch; default: one that never jumps.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        super().__init__(clock)
        self._holders: dict[str, Holder] = {GUESTS: Holder(lease=2**62)}
        self._gone = Gone()
        self._guests: dict[str, dict[str, int]] = {}
        self._stragglers: dict[str, dict[str, int]] = {}
        self._publishers: dict[str, dict[str, int]] = {}
        self._clients: dict[str, int] = {}
        self._sessions: dict[str, Session] = {}
        self._due: dict[str, int] = {}
        self._over: dict[tuple[str, str, Change], int] = {}
        self._shared: dict[str, int] = {}
        self._ringing = 0
        self._watched = 0

    def _beat(self, knew: str = "", lease: int = 0, quiet: int = 0) -> int:
        leases = [h.lease for name, h in self._holders.items() if name != GUESTS]
        return self._pulse.beat(self._now(), leases, len(self._sessions), knew, lease, quiet)

    def _apply(
        self,
        held: dict[str, int],
        event: str,
        count: int,
        candidate: str,
        delay: int,
        age: int = 0,
        peak: int = 0,
        left: int = 0,
        trace: str = "",
    ) -> Reported:
        old = held.get(event, 0)
        clients = self._clients.get(event, 0) + count - old
        session, due, change = self._sessions.get(event), self._due.get(event), Change.NONE
        held[event] = count
        if count == 0:
            del held[event]
        if old == 0 and clients > count > 0:
            self._shared[event] = self._after()
        told = candidate in self._ledger
        if session is None and clients > 0:
            if told:
                candidate, age, peak = self._fresh(candidate), 0, 0
            session = Session(candidate, self._after() - age, delay, peak)
            self._sessions[event] = session
            change = Change.STARTED
            self._stats["sessions_begun"] += 1
        elif due is not None and clients > 0 and not (session and session.stopping):
            del self._due[event]
            due, change = None, Change.RESUMED
            if session is not None:
                session.trace, session.emptied = "", False
            self._stats["grace_periods|resumed"] += 1
        if session is not None:
            if count and not told and self._after() - age < session.started:
                session.id = candidate if peak else session.id
                session.started = self._after() - age
            if delay >= 0:
                session.delay = delay
            decides = not session.kept and not session.stopping
            if clients == 0 and decides and (due is None or left + session.delay > due):
                due = (self._after() if due is None else left) + session.delay
                self._due[event], change, session.trace = due, Change.ENDING, trace
                session.emptied = True
            session.left = max(session.left, left)
            session.peak = max(session.peak, clients, peak)
            self._clients[event] = clients
        return self._row(event, change, session, clients, due)

    @staticmethod
    def _row(
        event: str, change: Change, session: Session | None, clients: int, due: int | None
    ) -> Reported:
        if session is None:
            return Reported(event, change, "", clients, due)
        began, peak = session.started, session.peak
        return Reported(event, change, session.id, clients, due, began, peak, session.cause)

    def report(
        self,
        holder: str,
        seq: int,
        lease: int,
        held: Mapping[str, Held],
        full: bool,
        knew: str = "",
        quiet: int = QUIET_MS,
        heard: int | None = None,
    ) -> Report:
        with self._act():
            gap, pulse = self._beat(knew, lease, quiet), self._pulse
            known = self._holders.get(holder)
            if known is None:
                if not full:
                    return Report(self._after(), known=False, epoch=pulse.epoch)
                if seq <= self._gone.last(holder, self._now()):
                    return Report(self._after())
                known = self._holders[holder] = Holder(lease=0, seq=-1)
            if seq < known.seq:
                return Report(self._after())
            last, known.lease, known.seq = known.seq, self._after() + lease, seq
            if heard is not None and gap and heard < pulse.since:
                # The gap lasts until now, and this holder is waited for.
                pulse.since = self._now()
                known.lease = pulse.since + lease - 1
            gone = {event: Held(0, "", -1) for event in known.held if full and event not in held}
            rows = []
            for event, h in (gone | dict(held)).items():
                if (event, h.session, Change.PURGED) in self._over:
                    rows.append(Reported(event, Change.PURGED, "", 0, None))
                elif (event, h.session, Change.STOPPED) in self._over:
                    row = self._apply(known.held, event, 0, h.session, h.delay)
                    stopped = self._over[event, h.session, Change.STOPPED]
                    rows.append(replace(row, change=Change.STOPPED, due=stopped))
                else:
                    # What was said in a report that was heard, though its holder may not know.
                    said = last >= 0 and (seq <= last + 1 or seq - h.ago <= last)
                    most = h.most if said else max(h.most, h.unsure or -1)
                    old = known.held.get(event, 0)
                    left = self._after() - h.left if not h.count and (old or most) else 0
                    lost = event not in self._sessions and knew != pulse.epoch
                    if most < 0 and lost and h.session not in self._ledger:
                        most = 1
                    entry = self._ledger.get(h.session)
                    if entry and not h.count and 0 <= h.delay <= entry.due - left:
                        most = min(most, 0)  # They had left when it ended: they were told of.
                    what: tuple[Any, ...] = (h.session, h.delay, h.age, h.peak)
                    if most > max(h.count, old):
                        flash = self._apply(known.held, event, most, *what)
                        rows += [flash] if flash.change is not Change.NONE else []
                    what += (left, h.trace)
                    rows.append(self._apply(known.held, event, h.count, *what))
                    meet(self._sessions.get(event), h.names)
            return Report(self._after(), tuple(rows))

    def heartbeat(
        self, holder: str, lease: int, since: int, knew: str = "", quiet: int = QUIET_MS
    ) -> Heartbeat:
        with self._act():
            now = self._now()
            gap = self._beat(knew, lease, quiet)
            known = self._holders.get(holder)
            if known is not None and self._pulse.stale(known.lease, gap):
                known = None
            self._pulse.swept = now
            if known is not None:
                known.lease = self._after() + lease
            unheard = self._unheard(now - UNHEARD_MS, gap)
            ring = unheard and self._ringing <= now
            if ring:
                self._ringing = now + RINGING_MS
            self._shared = {e: at for e, at in self._shared.items() if at > now - OVER_MS}
            shared = tuple(e for e, at in self._shared.items() if at >= since)
            holders = [(name, h) for name, h in self._holders.items() if not gap]
            return Heartbeat(
                known=known is not None,
                now=now,
                epoch=self._pulse.epoch,
                clients=sum(self._clients.values()),
                lapsed=tuple(name for name, h in holders if h.lease <= now)[:10],
                over=tuple(Over(*key, at) for key, at in self._over.items() if at >= since),
                shared=shared if len(shared) < SHARED_MAX else None,
                expired=self._expired(now),
                ring=ring,
                watch=self._watch(now, lease, quiet),
            )

    def _expired(self, now: int) -> tuple[str, ...]:
        """Return events with guests whose time is up."""
        every = (*self._guests.items(), *self._publishers.items())
        return tuple({event for event, guests in every if min(guests.values()) <= now})[:100]

    def _watch(self, now: int, lease: int, quiet: int) -> bool | None:
        """Return whether the watching alarm is to be set, or removed, by who beats; else None."""
        if self._sessions or self._instants():
            if self._watched > now and quiet <= QUIET_MS:
                return None
            self._watched = now + 2 * lease + QUIET_MS
            return True
        if self._watched > 0:
            self._watched = -now - lease
        return False if -self._watched > now else None

    def _unheard(self, late: int, gap: int) -> bool:
        """Return whether something that may be taken up has been ready since an instant."""
        if self._pulse.held(self._now()):
            return False
        ends = [] if gap else list(self._due.values())
        return any(at <= late for at in (*ends, *self._instants()))

    def reap(self, holder: str, goodbye: bool = False) -> Report:
        with self._act():
            known, rows = self._holders.get(holder), []
            early = known is None or known.lease > self._now() or self._beat() > 0
            if known is None or (early and not goodbye):
                return Report(self._after())
            for event, count in list(known.held.items()):
                # When its viewers left is not known: now at the latest.
                left = self._after() if self._clients.get(event, 0) > count else 0
                rows.append(self._apply(known.held, event, 0, "", -1, left=left))
            del self._holders[holder]
            self._gone.note(holder, known.seq, self._now())
            return Report(self._after(), tuple(rows))

    def _forget_stragglers(self, now: int) -> None:
        self._stragglers = {
            event: gone
            for event, gone in self._stragglers.items()
            if max(gone.values(), default=0) > now
        }

    def schedule(self, event_id: str, session: str, delay: int, trace: str = "") -> Report:
        with self._act():
            clients, known = self._clients.get(event_id, 0), self._sessions.get(event_id)
            if clients > 0 and known is not None:
                row = self._row(event_id, Change.NONE, known, clients, None)
                return Report(self._after(), (row,))
            if known is None:
                known = self._sessions[event_id] = Session(session, self._after(), delay)
                self._clients[event_id] = 0
                self._stats["sessions_begun"] += 1
            due = self._due[event_id] = self._after() + delay
            known.trace, known.emptied = trace, False
            row = self._row(event_id, Change.ENDING, known, 0, due)
            return Report(self._after(), (row,))

    def finish(
        self, event_id: str, change: Change, trace: str = "", when_due: bool = False
    ) -> Ended | None:
        with self._act():
            return self._finish(event_id, change, trace, when_due)

    def _finish(
        self, event_id: str, change: Change, trace: str = "", when_due: bool = False
    ) -> Ended | None:
        session, now = self._sessions.get(event_id), self._now()
        due = self._due.get(event_id, math.inf)
        if session is None or (when_due and (due > now or not session.stopping)):
            return None
        # One that is over already, and could not be claimed yet, is over since then.
        ends = int(min(now, due))
        self._stats["grace_periods|ended"] += when_due
        del self._sessions[event_id]
        clients = sum(h.held.pop(event_id, 0) for h in self._holders.values())
        if change is Change.STOPPED and event_id in self._guests:
            self._stragglers[event_id] = self._guests[event_id]
        for forget in (self._guests, self._clients, self._due, self._shared):
            forget.pop(event_id, None)
        self._forget_stragglers(now)
        self._over = {key: at for key, at in self._over.items() if at > now - OVER_MS}
        self._over[event_id, session.id, change] = self._after()
        if change is Change.PURGED:
            self._publishers.pop(event_id, None)
            self._stats["sessions_purged"] += 1
            figures = (session.started, session.peak, clients, "", session.unique_viewers)
            return Ended(event_id, session.id, now, *figures)
        session.trace = session.trace or trace
        gap = self._beat()
        if clients and not gap:
            session.left = ends - session.delay
        ended = self._deliver(event_id, session, ends, clients)
        # After an outage a process may still have to say that it was told of this session.
        self._ledger[session.id].next_at = now + gap
        return ended
