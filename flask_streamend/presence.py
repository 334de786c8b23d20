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
from contextlib import contextmanager

from .ending import Endings
from .errors import StoreError
from .store.base import Change, Held, Report, Store
from .telemetry.logs import log
from .telemetry.tally import Tally

#: Seconds for which changes that are neither first nor last are gathered into one report.
GATHER = 0.02
#: Seconds after which a report the store did not take is tried again.
RETRY = 1.0


class Presence:
    """The viewers one process holds: one holder in the store.

    :param store: where they are reported.
    :param endings: told of what a report made pending, or resumed.
    :param lease: seconds after which the store may forget this process.
    :param wake: called with a number of seconds, within which :meth:`tick` is wanted.
    """

    def __init__(
        self,
        store: Store,
        endings: Endings,
        tally: Tally,
        lease: float,
        wake: Callable[[float], None],
    ) -> None:
        self._store = store
        self._endings = endings
        self._tally = tally
        self._lease = lease
        self._wake = wake
        self.holder = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._sessions: dict[str, str] = {}
        self._delays: dict[str, int] = {}
        self._changed: set[str] = set()
        self._flush_at: float | None = None
        # Reports leave one at a time: their order is what makes an older one recognisable.
        self._reporting = threading.Lock()
        self._seq = 0
        self._known = False
        self._renew_at = 0.0
        self._away = False

    @contextmanager
    def viewing(self, event_id: str, delay: float) -> Iterator[None]:
        """Count one viewer of an event for as long as the context lasts.

        :param delay: the event's grace period, in seconds.
        """
        self._change(event_id, 1, delay)
        try:
            yield
        finally:
            self._change(event_id, -1, delay)

    def _change(self, event_id: str, by: int, delay: float) -> None:
        with self._lock:
            count = self._counts.get(event_id, 0) + by
            if count:
                self._counts[event_id] = count
            else:
                del self._counts[event_id]
            self._delays[event_id] = int(delay * 1000)
            self._changed.add(event_id)
            at = time.monotonic()
            if count > 1 or (count == 1 and by < 0):
                at += GATHER
            if self._flush_at is not None and self._flush_at <= at:
                return
            self._flush_at = at
        self._wake(0.0 if at <= time.monotonic() else GATHER)

    def clients(self) -> dict[str, int]:
        """Return the viewers this process holds, by event."""
        with self._lock:
            return dict(self._counts)

    def tick(self) -> float:
        """Report what changed and renew the lease, if it is time; return the seconds till the next.

        A store that does not answer is counted, logged once, and tried again.
        """
        now = time.monotonic()
        try:
            if self._flush_at is not None and self._flush_at <= now:
                self.flush()
            if self._holding() and self._renew_at <= now:
                self._renew()
        except StoreError as error:
            self._away_now(error)
            self._flush_at = time.monotonic() + RETRY
        times = [self._renew_at] if self._holding() else []
        if self._flush_at is not None:
            times.append(self._flush_at)
        return max(0.0, min(times, default=now + self._lease) - time.monotonic())

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
                    self._report(set(self.clients()) | changed, full=True)
            except StoreError:
                with self._lock:
                    self._changed |= changed
                raise
            self._forget(changed)

    def _report(self, events: set[str], full: bool) -> Report:
        with self._lock:
            names = events | set(self._counts) if full else events
            for event in names:
                if event not in self._sessions:
                    self._sessions[event] = secrets.token_hex(8)
            held = {
                event: Held(self._counts.get(event, 0), self._sessions[event], self._delays[event])
                for event in names
            }
        self._seq += 1
        lease = int(self._lease * 1000)
        report = self._store.report(self.holder, self._seq, lease, held, full)
        self._back_now()
        if report.known:
            self._known = True
            self._renew_at = time.monotonic() + self._lease / 3
            self._take_in(report, held)
        return report

    def _take_in(self, report: Report, held: dict[str, Held]) -> None:
        with self._lock:
            self._sessions.update((e.event_id, e.session) for e in report.events if e.session)
        for event in report.events:
            if event.due is not None and held[event.event_id].count == 0:
                self._endings.pending(event.event_id, event.session, event.due, report.now)
            elif event.change is Change.RESUMED:
                self._endings.resumed(event.event_id, event.session)

    def _forget(self, events: set[str]) -> None:
        with self._lock:
            for event in events - self._changed:
                if event not in self._counts:
                    self._sessions.pop(event, None)
                    self._delays.pop(event, None)

    def _renew(self) -> None:
        with self._reporting:
            self._renew_at = time.monotonic() + self._lease / 3
            if not self._store.renew(self.holder, int(self._lease * 1000)):
                self._report(set(), full=True)
            self._back_now()

    def _holding(self) -> bool:
        return self._known and bool(self._counts)

    def _away_now(self, error: StoreError) -> None:
        self._tally.error("store")
        if not self._away:
            self._away = True
            log.error("redis-away: viewers are counted here and reported later: %s", error)

    def _back_now(self) -> None:
        if self._away:
            self._away = False
            log.warning("redis-back: the store answers again")
