"""Who watches what, in this process, and its reports to the store.

A process counts the viewers it holds itself; the store keeps one number per event and process. A
report goes out at once for an event's first and last viewer here, and other changes are gathered
for some milliseconds, so that a crowd costs a few round trips and not one each.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from .contact import Contact
from .ending import Endings
from .errors import StoreError
from .observing import Observers
from .store.base import Change, Held, Over, Report
from .store.interface import Store
from .viewers import Viewer

#: Seconds for which changes that are neither first nor last are gathered into one report.
GATHER = 0.1
#: Seconds between two reports at the least: in a storm of firsts and lasts one speaks for many.
APART = 0.005
#: Close code of the range for private use (RFC 6455, 7.4.2): the stream was stopped, don't return.
STOPPED = 4000
#: Seconds after which a report the store did not take is tried again.
RETRY = 1.0


class Presence:
    """The viewers one process holds: one holder in the store.

    :param store: where they are reported.
    :param endings: told of what a report made pending, or resumed.
    :param observers: told of who came and went, and of failures.
    :param contact: told whether the store answers.
    :param lease: seconds after which the store may forget this process.
    :param wake: called with a number of seconds, within which :meth:`tick` is wanted.
    """

    def __init__(
        self,
        store: Store,
        endings: Endings,
        observers: Observers,
        contact: Contact,
        lease: float,
        wake: Callable[[float], None],
    ) -> None:
        self._store = store
        self._endings = endings
        self._observers = observers
        self._contact = contact
        self._lease = int(lease * 1000)
        self._wake = wake
        self.holder = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._viewers: dict[str, set[Viewer]] = {}
        self._total = 0
        # Of a session that was stopped: told to go, counted no more, and not gone yet.
        self._let_go: set[Viewer] = set()
        self._most: dict[str, int] = {}
        self._sessions: dict[str, str] = {}
        self._delays: dict[str, int] = {}
        self._elsewhere: dict[str, int] = {}
        self._changed: set[str] = set()
        self._flush_at: float | None = None
        self._flushed_at = 0.0
        # Reports leave one at a time: their order is what makes an older one recognisable.
        self._reporting = threading.Lock()
        self._seq = 0
        self._settled = threading.Event()
        self._known = False

    def enter(self, event_id: str, viewer: Viewer, delay: float) -> None:
        """Count a viewer.

        :param delay: the event's grace period, in seconds.
        """
        with self._lock:
            viewers = self._viewers.setdefault(event_id, set())
            viewers.add(viewer)
            self._total += 1
            self._most[event_id] = max(len(viewers), self._most.get(event_id, 0))
            self._delays[event_id] = int(delay * 1000)
            self._note(event_id, urgent=len(viewers) == 1)
        self._observers.joined(event_id)

    def leave(self, event_id: str, viewer: Viewer) -> None:
        """Count a viewer no more."""
        with self._lock:
            if viewer in self._let_go:
                self._let_go.remove(viewer)
                return
            viewers = self._viewers[event_id]
            viewers.remove(viewer)
            self._total -= 1
            if not viewers:
                del self._viewers[event_id]
            self._note(event_id, urgent=not viewers)
        self._observers.left(event_id)

    def _note(self, event_id: str, urgent: bool) -> None:
        """Note a change for the next report, and have it made sooner if need be."""
        self._changed.add(event_id)
        now = time.monotonic()
        at = max(now, self._flushed_at + APART) if urgent else now + GATHER
        if self._flush_at is None or self._flush_at > at:
            self._flush_at = at
            self._wake(at - now)

    @contextmanager
    def viewing(self, event_id: str, viewer: Viewer, delay: float) -> Iterator[None]:
        """Count a viewer for as long as the context lasts."""
        self.enter(event_id, viewer, delay)
        try:
            yield
        finally:
            self.leave(event_id, viewer)

    def counts(self) -> dict[str, int]:
        """Return how many viewers this process holds, by event."""
        with self._lock:
            return {event_id: len(viewers) for event_id, viewers in self._viewers.items()}

    def holds(self, event_id: str) -> bool:
        """Return whether an event has viewers in this process."""
        return event_id in self._viewers

    def total(self) -> int:
        """Return how many viewers this process holds."""
        return self._total

    def everybody(self) -> list[Viewer]:
        """Return every viewer this process holds."""
        with self._lock:
            return [viewer for viewers in self._viewers.values() for viewer in viewers]

    def goodbye(self) -> None:
        """Report the last changes, and have the store forget this process.

        :raises StoreError: where the store does not answer; it forgets when the lease lapses.
        """
        self.flush()
        if self._known:
            self._endings.reported(self._store.reap(self.holder, goodbye=True))

    def watchers(self, event_id: str) -> int:
        """Return an event's viewers: this process's exactly, the others' as last heard."""
        with self._lock:
            return len(self._viewers.get(event_id, ())) + self._elsewhere.get(event_id, 0)

    def tick(self) -> float | None:
        """Report what changed, if it is time; return the seconds until the next report is."""
        if self._flush_at is not None and self._flush_at <= time.monotonic():
            with suppress(StoreError):  # counted, logged and to be tried again: see flush
                self.flush()
        return None if self._flush_at is None else max(0.0, self._flush_at - time.monotonic())

    def flush(self) -> None:
        """Report what changed since the last report.

        :raises StoreError: where the store does not answer; the changes are reported next time.
        """
        with self._reporting:
            with self._lock:
                changed, self._changed, self._flush_at = self._changed, set(), None
            if not changed:
                return
            try:
                report = self._report(changed, full=not self._known)
                if not report.known:
                    self._report(changed, full=True)
            except StoreError as error:
                with self._lock:
                    self._changed |= changed
                    self._flush_at = time.monotonic() + RETRY
                self._contact.lost(error)
                raise
            self._forget(changed)
            self._flushed_at = time.monotonic()
        self._settled.set()
        self._observers.forget()

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

    def reintroduce(self) -> None:
        """Report everything: the store does not know this process any more.

        :raises StoreError: where the store does not answer.
        """
        with self._reporting:
            self._report(set(), full=True)

    def _report(self, events: set[str], full: bool) -> Report:
        with self._lock:
            names = events | set(self._viewers) if full else events
            held = {event_id: self._held(event_id) for event_id in names}
        self._seq += 1
        try:
            report = self._store.report(self.holder, self._seq, self._lease, held, full)
        except StoreError:
            self._remember_most(held)
            raise
        self._contact.back()
        if report.known:
            self._known = True
            self._take_in(report, held)
        else:
            self._remember_most(held)
        return report

    def _held(self, event_id: str) -> Held:
        session = self._sessions.setdefault(event_id, secrets.token_hex(8))
        viewers = self._viewers.get(event_id, ())
        delay, most = self._delays.get(event_id, -1), self._most.pop(event_id, 0)
        return Held(len(viewers), session, delay, most)

    def _remember_most(self, held: dict[str, Held]) -> None:
        """Take back what a report said of the time before it: it was not heard."""
        with self._lock:
            for event_id, one in held.items():
                self._most[event_id] = max(one.most, self._most.get(event_id, 0))

    def _take_in(self, report: Report, held: dict[str, Held]) -> None:
        for row in report.events:
            reported = held.get(row.event_id)
            if row.change in (Change.STOPPED, Change.PURGED):
                session = reported.session if reported is not None else ""
                self.over(Over(row.event_id, session, row.change), report.now)
                continue
            with self._lock:
                if row.session:
                    self._sessions[row.event_id] = row.session
                count = reported.count if reported is not None else 0
                self._elsewhere[row.event_id] = max(0, row.clients - count)
            self.tell(row.event_id, row.clients)
            self._observers.counted(row, report.now)
        self._endings.reported(report)

    def over(self, over: Over, now: int) -> None:
        """Act on a session's being stopped or purged while this process may hold viewers of it.

        :param now: the store's time.
        """
        event_id, stopped = over.event_id, over.change is Change.STOPPED
        with self._lock:
            if self._sessions.get(event_id) != over.session:
                return
            # Who watches on, or comes, is of another session.
            self._sessions[event_id] = secrets.token_hex(8)
            viewers = list(self._viewers.get(event_id, ()))
            if stopped:
                self._viewers.pop(event_id, None)
                self._let_go.update(viewers)
                self._total -= len(viewers)
                self._most.pop(event_id, None)
            else:
                self._note(event_id, urgent=True)
        if stopped:
            for viewer in viewers:
                viewer.stop(STOPPED)
            self._observers.let_go(over, len(viewers), now)

    def listening(self) -> list[str]:
        """Return the events with a viewer here who wants to hear how many watch."""
        with self._lock:
            return [e for e, viewers in self._viewers.items() if any(v.listens for v in viewers)]

    def tell(self, event_id: str, clients: int) -> None:
        """Tell an event's viewers here how many watch."""
        with self._lock:
            viewers = list(self._viewers.get(event_id, ()))
            self._elsewhere[event_id] = max(0, clients - len(viewers))
        for viewer in viewers:
            if viewer.listens:
                viewer.tell(clients)

    def _forget(self, events: set[str]) -> None:
        with self._lock:
            for event_id in events - self._changed - set(self._viewers):
                for memory in (self._sessions, self._delays, self._elsewhere, self._most):
                    memory.pop(event_id, None)
