"""In memory: viewers and publishers by name, whom no process holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .base import Change, GuestAct, Report, Reported
from .bounds import OUT_MS
from .memory_presence import GUESTS, MemoryPresence
from .memory_session import Session, meet

_Names = dict[str, dict[str, int]]


class MemoryGuests(MemoryPresence):
    """Guests, beside processes."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        super().__init__(clock)
        # By event, act and name: whether it was in when it went out, and until when that is known.
        self._outs: dict[tuple[str, str, str], tuple[bool, int]] = {}
        self._turns: dict[str, tuple[str, int]] = {}

    def guest(
        self,
        act: GuestAct,
        event_id: str,
        guest: str,
        ttl: int,
        session: str,
        delay: int,
        trace: str = "",
        keeps: bool = False,
    ) -> Report:
        with self._act():
            now = self._now()
            publishes = act in ("publish", "unpublish")
            viewers = dict(self._guests.get(event_id, {}))
            publishers = dict(self._publishers.get(event_id, {}))
            watched, published = len(viewers), len(publishers)
            own = publishers if publishes else viewers
            gone = self._stragglers.get(event_id, {})
            came, early = 0, act in ("in", "publish") and self._overtaken(event_id, act, guest)
            if act == "seen" and gone.get(guest, 0) > now:
                gone[guest] = self._after() + ttl
            elif act in ("join", "seen", "in", "publish") and not early:
                if not publishes:
                    gone.pop(guest, None)
                self._outs.pop((event_id, act, guest), None)
                came = int(guest not in own and not publishes)
                own[guest] = max(self._after() + ttl, own.get(guest, 0))
            elif act in ("leave", "out", "unpublish"):
                was = not publishes and gone.pop(guest, None) is not None
                was = own.pop(guest, None) is not None or was
                if act != "leave":
                    self._note_out(event_id, "in" if act == "out" else "publish", guest, was)
            elif act == "renew":
                for names in (viewers, publishers):
                    if guest in names:
                        names[guest] = max(self._after() + ttl, names[guest])
            elif act == "lose":
                for names in (viewers, publishers):
                    if names.get(guest) == ttl:
                        del names[guest]
            viewers = self._keep(self._guests, event_id, viewers)
            publishers = self._keep(self._publishers, event_id, publishers)
            went = watched + came - len(viewers)
            row = None
            if not publishes or went:
                held, left = self._holders[GUESTS].held, self._after() if went else 0
                what = (event_id, len(viewers), session, delay)
                row = self._apply(held, *what, left=left, trace=trace)
                # A streaming server's connection is nobody by name.
                meet(self._sessions.get(event_id), [guest] * (came if act != "in" else 0))
            if act == "publish" and not early and publishers:
                row = self._publish(event_id, session, delay, keeps)
            elif published and not publishers and event_id in self._sessions:
                row = self._unpublish(event_id, delay, trace)
            row = row or self._as_it_is(event_id, Change.NONE)
            return Report(self._after(), (row,), came=came, went=went)

    def _keep(self, all_: _Names, event: str, names: dict[str, int]) -> dict[str, int]:
        """Keep an event's names whose time is not up."""
        names = {name: at for name, at in names.items() if at > self._now()}
        all_[event] = names
        if not names:
            del all_[event]
        return names

    def _overtaken(self, event: str, act: str, guest: str) -> bool:
        was, until = self._outs.get((event, act, guest), (True, 0))
        if was or until <= self._now():
            return False
        del self._outs[event, act, guest]
        return True

    def _note_out(self, event: str, act: str, guest: str, was: bool) -> None:
        now = self._now()
        self._outs = {key: out for key, out in self._outs.items() if out[1] > now}
        before, _ = self._outs.get((event, act, guest), (False, 0))
        if was or not before:
            self._outs[event, act, guest] = was, now + OUT_MS

    def _publish(self, event: str, candidate: str, delay: int, keeps: bool) -> Reported:
        session, change = self._sessions.get(event), Change.NONE
        if session is None:
            candidate = self._fresh(candidate) if candidate in self._ledger else candidate
            session = self._sessions[event] = Session(candidate, self._after(), delay)
            self._clients[event] = 0
            self._stats["sessions_begun"] += 1
            change = Change.STARTED
        session.kept, session.published = session.kept or keeps, True
        if event in self._due and (session.stopping or session.kept):
            del self._due[event]
            self._stats["grace_periods|resumed"] += 1
            session.trace, session.emptied, session.stopping = "", False, False
            change = Change.RESUMED
            if not self._clients[event] and not session.kept and session.peak:
                # Back, and those who watched are gone: that is an end to be by itself.
                self._due[event] = self._after() + session.delay
                session.emptied, change = True, Change.ENDING
        return self._as_it_is(event, change)

    def _unpublish(self, event: str, delay: int, trace: str) -> Reported:
        session = self._sessions[event]
        session.delay = delay if delay >= 0 else session.delay
        session.stopping, session.published, session.trace = True, False, trace
        self._due[event] = self._after() + session.delay
        return self._as_it_is(event, Change.ENDING)

    def _as_it_is(self, event: str, change: Change) -> Reported:
        clients, due = self._clients.get(event, 0), self._due.get(event)
        return self._row(event, change, self._sessions.get(event), clients, due)

    def guests(self, prefix: str) -> Iterator[tuple[str, str, int]]:
        with self._act():
            found = [
                (event, name, until)
                for all_ in (self._guests, self._publishers)
                for event, names in all_.items()
                for name, until in names.items()
                if name.startswith(prefix)
            ]
        yield from found

    def turn(self, what: str, owner: str, lease: int) -> bool:
        with self._act():
            last, until = self._turns.get(what, ("", 0))
            if last != owner and until > self._now():
                return False
            self._turns[what] = owner, self._now() + lease
            return True
