"""The ledger of the store in memory: what is owed to hosts, and how it went."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter as Bag
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from .base import DeadAct, Ended, Outcome, Record
from .bounds import KEEP_COUNT, KEEP_MS
from .deliveries import Delivery
from .histograms import bucket
from .memory_entries import Entry, shown
from .memory_pulse import Pulse
from .memory_session import Session, another
from .totals import Exemplar


def steady_clock() -> Callable[[], float]:
    """Return a clock of seconds since the epoch that no change of the host's clock moves."""
    start = time.time() - time.monotonic()
    return lambda: start + time.monotonic()


class MemoryLedger:
    """Deliveries, and the counters and the clock they share with presence.

    :param clock: seconds since the epoch; default: one that never jumps.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or steady_clock()
        self._lock = threading.RLock()
        self._instant: float | None = None
        self._ledger: dict[str, Entry] = {}
        self._stats: Bag[str] = Bag()
        self._pulse = Pulse()
        self._exemplars: dict[str, Exemplar] = {}

    def _fresh(self, session: str) -> str:
        """Name another session than one that was told: two notices never share a name."""
        while True:
            session = another(session)
            if session not in self._ledger:
                return session

    @contextmanager
    def _act(self) -> Iterator[None]:
        """Do something at one instant, alone: as one Redis script does."""
        with self._lock:
            outer, self._instant = self._instant, self._instant or self._clock()
            try:
                yield
            finally:
                self._instant = outer

    def _now(self) -> int:
        return math.floor((self._instant or self._clock()) * 1000)

    def _after(self) -> int:
        return math.ceil((self._instant or self._clock()) * 1000)

    def _deliver(self, event_id: str, session: Session, due: int, clients: int) -> Ended:
        session.close()
        self._ledger[session.id] = Entry(event_id, session, due, clients, self._now())
        self._stats.update(["sessions_ended", "deliveries_made"])
        self._observe("event_duration", max(0, due - session.started))
        self._observe("event_peak_clients", session.peak)
        return Ended(
            *(event_id, session.id, due, session.started, session.peak, clients, session.trace),
            session.unique_viewers,
        )

    def _instants(self) -> list[int]:
        """Return when each open delivery may be taken up next."""
        return [entry.next_at for entry in self._ledger.values() if entry.next_at is not None]

    def take(self, owner: str, lease: int, limit: int) -> list[Delivery]:
        with self._act():
            now = self._now()
            taken: list[Delivery] = []
            if self._pulse.held(now):
                return taken
            for id_, entry in sorted(self._ledger.items(), key=lambda item: item[1].next_at or 0):
                if entry.next_at is None or entry.next_at > now or len(taken) == limit:
                    continue
                if entry.state == "sending":
                    entry.state, entry.unknown = "retrying", True
                entry.owner, entry.next_at = owner, now + lease
                session = entry.session
                taken.append(
                    Delivery(
                        *(id_, entry.event_id, session.id, entry.due, entry.attempts),
                        *(entry.clients, entry.again, session.trace, entry.tried),
                        *(session.started, session.peak, session.unique),
                        *(entry.channel, entry.state == "pending", entry.members is not None),
                    )
                )
            return taken

    def extend(self, owner: str, deliveries: Sequence[str], lease: int) -> None:
        with self._act():
            until = self._now() + lease
            for delivery in deliveries:
                entry = self._ledger.get(delivery)
                if entry is None or entry.owner != owner or entry.state == "sending":
                    continue
                entry.next_at = max(entry.next_at or 0, until)

    def sending(self, delivery: str, owner: str, lease: int, channel: str = "") -> bool:
        with self._act():
            entry, now = self._ledger.get(delivery), self._now()
            if entry is None or entry.next_at is None or entry.next_at <= now:
                return False
            if self._pulse.held(now):
                return False
            if entry.owner != owner:
                return False
            entry.state, entry.next_at = "sending", now + lease
            entry.attempts += 1
            # Whose it is, it stays: its host may have been told by it.
            entry.channel = entry.channel or channel
            return True

    def settle(
        self,
        delivery: str,
        owner: str,
        channel: str,
        outcome: Outcome,
        error: str,
        retry: int,
        reason: str = "",
        took: int = -1,
        trace: str = "",
        attempt: str = "",
    ) -> int:
        with self._act():
            entry, now = self._ledger.get(delivery), self._now()
            if entry is None or entry.owner != owner:
                return -1
            late = now - entry.due
            if channel and took >= 0:
                self._observe(f"send_duration|{channel}", took)
            entry.away = False
            if outcome in (Outcome.FAILED, Outcome.DEAD):
                entry.attempts += entry.state != "sending"
                self._failed(entry, channel, reason)
            entry.channel = entry.channel or channel
            entry.error, entry.owner = error, None
            entry.tried = attempt or entry.tried
            if outcome in (Outcome.FAILED, Outcome.POSTPONED):
                if outcome is Outcome.FAILED:
                    entry.state = "retrying"
                entry.next_at, entry.again = now + retry, True
            else:
                entry.state, entry.settled, entry.next_at = outcome.value, now, None
            if channel and outcome is not Outcome.POSTPONED:
                self._stats[f"notifications|{channel}|{outcome.value}"] += 1
            if outcome is Outcome.SKIPPED:
                ends = [None] if entry.members is None else [m for m in entry.members if not m.out]
                self._stats[f"skips|{error}"] += len(ends)
            if outcome is Outcome.SENT:
                if entry.unknown:
                    self._stats[f"notifications|{channel}|repeated"] += 1
                bound = self._observe(f"notification_latency|{channel}", late)
                self._exemplars[f"{channel}|{bound}"] = Exemplar(
                    entry.event_id, trace, late / 1000, now / 1000
                )
                self._wake(channel, now)
            self._trim(now)
            return late

    def _failed(self, entry: Entry, channel: str, reason: str) -> None:
        entry.away = reason in ("connect", "timeout", "auth")
        if channel and reason:
            self._stats[f"delivery_failures|{channel}|{reason}"] += 1

    def _wake(self, channel: str, now: int) -> None:
        """Take up what waits for a channel that works again."""
        for entry in self._ledger.values():
            # Not what somebody has taken up already.
            waits = entry.away and entry.owner is None
            if waits and entry.state == "retrying" and entry.channel == channel:
                entry.next_at = min(now, entry.next_at or now)

    def _observe(self, name: str, value: int) -> str:
        bound = bucket(name.partition("|")[0], value)
        found = "Inf" if bound is None else str(bound)
        if bound is not None:
            self._stats[f"{name}|{bound}"] += 1
        self._stats[f"{name}|count"] += 1
        self._stats[f"{name}|sum"] += value
        return found

    def _trim(self, now: int) -> None:
        settled = [(e.settled, id_) for id_, e in self._ledger.items() if e.settled is not None]
        settled.sort()
        over = len(settled) - KEEP_COUNT
        for n, (at, id_) in enumerate(settled):
            if n >= over and at > now - KEEP_MS:
                break
            del self._ledger[id_]
            self._stats["deliveries_gone"] += 1

    def dead(self, act: DeadAct, delivery: str) -> bool:
        with self._act():
            entry = self._ledger.get(delivery)
            if entry is None or entry.state != "dead":
                return False
            if act == "dismiss":
                del self._ledger[delivery]
                self._stats["deliveries_gone"] += 1
            else:
                entry.state, entry.attempts, entry.settled = "retrying", 0, None
                entry.next_at = self._now()
            return True

    def records(self, limit: int) -> list[Record]:
        with self._act():
            return (self._opened() + self._closed())[:limit]

    def _opened(self) -> list[Record]:
        """Return what is owed, what is taken up next first."""
        opened = [item for item in self._ledger.items() if item[1].next_at is not None]
        opened.sort(key=lambda item: item[1].next_at or 0)
        return [shown(*item) for item in opened]

    def _closed(self) -> list[Record]:
        """Return what is settled, the newest first."""
        closed = [item for item in self._ledger.items() if item[1].next_at is None]
        closed.sort(key=lambda item: -(item[1].settled or 0))
        return [shown(*item) for item in closed]

    def take_counts(self) -> dict[str, int]:
        """Return the counters, and begin them anew."""
        with self._act():
            counts, self._stats = self._stats, Bag()
            return dict(counts)

    def hold(self, ms: int) -> int:
        with self._act():
            before = self._pulse.held(self._now())
            self._pulse.hold = self._now() + ms
            return before

    def add(self, counts: Mapping[str, int]) -> None:
        with self._act():
            self._stats.update(counts)
