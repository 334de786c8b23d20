"""What processes put back into the store in memory: as ``lua/put_back.lua`` does it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .base import Kept
from .bounds import NEWEST, ON_ITS_WAY_MS, SLACK_MS
from .memory_facts import MemoryFacts
from .memory_session import Session, another, most
from .totals import SETTLED


class MemoryPutBack(MemoryFacts):
    """Ends that were kept while the store was away, or which it has lost."""

    def _drop(self, event: str) -> Session:
        for forget in (self._due, self._clients, self._shared):
            forget.pop(event, None)
        return self._sessions.pop(event)

    def put_back(
        self, holder: str, kept: Sequence[Kept], seq: int = NEWEST, said: int | None = None
    ) -> int:
        with self._act():
            put, known = 0, self._holders.get(holder)
            # By as much as this was on its way its instants come out too late.
            late = 0 if said is None else min(ON_ITS_WAY_MS, max(0, self._now() - said))
            # Delayed on its way: the holder has put back all this, and reported, since.
            last = known.seq if known else self._gone.last(holder, self._now())
            if last > seq:
                return 0
            for end in kept:
                put += self._put_back(holder, end, late)
                session = self._sessions.get(end.event_id)
                nobody = not self._clients.get(end.event_id) and end.event_id not in self._due
                if session and not session.lasts and nobody:
                    self._due[end.event_id] = self._after() + session.delay
                    session.emptied = True
            return put

    def _put_back(self, holder: str, end: Kept, late: int) -> bool:
        event, now = end.event_id, self._after()
        due = now + end.left
        if end.delivery:
            return self._put_beside(holder, end, due)
        known, session = self._holders.get(holder), self._sessions.get(event)
        if known is not None and session is not None and session.id == end.session:
            self._clients[event] -= known.held.pop(event, 0)
        entry, own = self._ledger.get(end.id), Session.of(end, now, late)
        if end.state == "ending":
            return not self._told(own, due - late) and self._put_ending(event, own, due)
        if session is not None and session.id == own.id:
            own.unique = most(own.unique, session.unique_viewers)
        if entry is not None and entry.later_than(due):
            if not (end.state in SETTLED and self._made_room(entry)):
                return False
            entry = None
        put = entry is None
        if entry is None:
            if session is None or session.id != end.session:
                self._stats["sessions_begun"] += 1
            elif (there := self._clients.get(event, 0)) or session.until > due + SLACK_MS:
                began = now if there else max(session.started, due)
                session.id, session.started = self._fresh(end.session), began
                session.peak, session.unique, session.met = max(1, there), None, None
                self._stats["sessions_begun"] += 1
            else:
                self._drop(event)
            self._deliver(event, own, due, end.clients)
            entry = self._ledger[end.session]
            entry.attempts, entry.channel, entry.error = end.attempts, end.channel, end.error
            entry.owner, entry.put = holder, True
        elif entry.settled is not None or (entry.owner != holder and end.state not in SETTLED):
            return False
        self._know(entry, end)
        return put

    def _told(self, own: Session, due: int) -> bool:
        """Return whether an end was told; where an earlier one was, it gets a name of its own."""
        while entry := self._ledger.get(own.id):
            if not entry.put or due <= entry.due + SLACK_MS:
                return True
            # Told before this store knew of it, and somebody came after that.
            own.id, own.started = another(own.id), max(own.started, entry.due)
            own.peak, own.unique = 1, None
        return False

    def _put_ending(self, event: str, own: Session, due: int) -> bool:
        session = self._sessions.get(event)
        if session is None:
            self._sessions[event], self._clients[event], self._due[event] = own, 0, due
            self._stats["sessions_begun"] += 1
            return True
        ends = self._due.get(event, math.inf)
        if session.id == own.id or (own.started <= ends and session.started <= due):
            unique = most(own.unique, session.unique_viewers)
            changed, session.unique = unique != session.unique_viewers, unique
            session.put = max(session.put, own.put)
            if own.started < session.started:
                changed = True
                session.id, session.started = own.id, own.started
                session.peak = max(session.peak, own.peak)
            if own.stopping and not session.published:
                # Whoever watches. (Where a publisher came since, it goes on.)
                if session.stopping and due <= ends:
                    return changed
                session.stopping, session.emptied, session.trace = True, False, own.trace
                self._due[event] = due
                return True
            if self._clients[event] and due - session.delay > session.left:
                session.left, changed = due - session.delay, True
            # Two may have seen somebody leave: the last leave counts.
            due = max(due, session.left + session.delay)
            decides = not (own.stopping or session.stopping or session.kept)
            if self._clients[event] or not decides or due <= ends < math.inf:
                return changed
            self._due[event], session.trace, session.emptied = due, own.trace, own.emptied
            return True
        if own.started > ends:
            # One after the other: what could not be claimed is resumed by who came since.
            if not self._beat():
                self._stats.update(["sessions_begun", "grace_periods|ended"])
                self._deliver(event, session, self._due[event], 0)
            self._sessions[event], self._due[event] = own, due
            return True
        if self._beat():
            return False
        self._stats.update(["sessions_begun", "grace_periods|ended"])
        self._deliver(event, own, due, 0)
        return True
