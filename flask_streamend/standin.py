"""While Redis is away: a store in memory stands in for the events this process alone was holding.

Whatever another process may know more of waits for Redis. Nothing is told before one lease has
passed since the last contact, so that whoever finds Redis first waits for what was told here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

from .ending import Alarm, Alarms, Endings
from .store.base import Ended, Held, Kept, Report
from .store.bounds import DIGEST_MAX
from .store.deliveries import Waits
from .store.memory import MemoryStore
from .telemetry.end_spans import EndSpan, EndSpans
from .timer import Timer

#: A lease, or a hold, that outlives every outage, in milliseconds.
FOREVER = 2**50
#: The one holder in the store that stands in.
OWN = "own"
#: Counters that the store counts again when ends are put back.
_COUNTED = ("sessions_", "deliveries_", "event_duration", "event_peak_clients")


class Ringing(Protocol):
    """Alarms that deliver from a store, in a thread of this process."""

    def __call__(self, store: MemoryStore, timer: Timer[Alarm]) -> Alarms:
        """Return alarms for a store."""


class AloneStore(MemoryStore):
    """A store of one process: nobody else is ever waited for.

    :param hear: has the process report what it has not reported yet. Its one thread that reports
        may wait for the store that is away just now.
    """

    def __init__(self, hear: Callable[[], None]) -> None:
        super().__init__()
        self._hear = hear

    def claim(self, limit: int) -> list[Ended]:
        self._hear()
        return super().claim(limit)

    def live(self) -> list[str]:
        """Return the events with viewers."""
        with self._act():
            return [event for event, clients in self._clients.items() if clients]

    def _beat(self, knew: str = "", lease: int = 0, quiet: int = 0) -> int:
        return 0

    def group(
        self, delivery: str, owner: str, whose: str, channel: str, wait: int, most: int = DIGEST_MAX
    ) -> Waits | None:
        """Have what waits for a digest wait for the store, which knows its host's other ends."""
        with self._act():
            entry = self._owned(delivery, owner)
            if entry is not None:
                entry.owner, entry.next_at = None, self._now() + FOREVER
            return None


class StandIn:
    """One process's, for one outage at a time.

    :param ringing: makes what delivers.
    :param wake: called with a number of seconds, within which :meth:`tick` is wanted.
    :param spans: traces ends.
    :ivar hear: has the process report here what it has not reported yet.
    """

    def __init__(
        self, ringing: Ringing, wake: Callable[[float], None], spans: EndSpans | None = None
    ) -> None:
        self._ringing = ringing
        self._wake = wake
        self._spans = spans
        self.hear: Callable[[], None] = lambda: None
        self._timer: Timer[Alarm] = Timer()
        self._store: AloneStore | None = None
        self._endings: Endings | None = None
        self._seq = 0
        # Attempts in progress when the store was back, with the stores they are of.
        self._unfinished: dict[str, MemoryStore] = {}

    @property
    def stands(self) -> bool:
        """Return whether it stands in now."""
        return self._store is not None

    def begin(
        self, held: Mapping[str, Held], wait: float, ends: Mapping[str, EndSpan] | None = None
    ) -> Report:
        """Stand in for these events, and tell nothing for ``wait`` seconds."""
        store = self._store = AloneStore(self.hear)
        store.hold(max(0, int(wait * 1000)))
        alarms = self._ringing(store, self._timer)
        self._endings = Endings(alarms, self._timer, self._wake, spans=self._spans)
        self._timer.set(OWN, max(0.0, wait) + 0.001, Alarm("", OWN, 0, 0))
        self._wake(max(0.0, wait))
        return self.report(held, ends, full=True)

    def report(
        self,
        held: Mapping[str, Held],
        ends: Mapping[str, EndSpan] | None = None,
        full: bool = False,
    ) -> Report:
        """Report as to the store that is away."""
        assert self._store is not None
        assert self._endings is not None
        self._seq += 1
        report = self._store.report(OWN, self._seq, FOREVER, held, full)
        self._endings.reported(report, ends)
        return report

    def tick(self) -> float | None:
        """Ring for what is due; return the seconds till the next."""
        return None if self._endings is None else self._endings.tick()

    def live(self) -> list[str]:
        """Return the events that have viewers for all it heard: they are not handed back."""
        return [] if self._store is None else self._store.live()

    def hand_back(self) -> list[Kept]:
        """Stop telling, and return what was told, is being told, and is still to be."""
        before = self._attempts()
        if self._store is None:
            return before
        self._store.hold(FOREVER)
        self._timer.clear()
        return before + self._store.kept()

    def handed_over(self, ends: list[Kept]) -> None:
        """Note that the store has what was handed back."""
        self.settled([end for end in ends if end.state != "sending"])
        if self._store is not None:
            sending = {end.id for end in ends if end.state == "sending"}
            self._unfinished = dict.fromkeys(sending, self._store) | self._unfinished
            self._store = self._endings = None

    def _attempts(self) -> list[Kept]:
        stores = set(self._unfinished.values())
        kept = [(store, end) for store in stores for end in store.kept()]
        return [end for store, end in kept if self._unfinished.get(end.id) is store]

    def finished(self) -> list[Kept]:
        """Return attempts that were in progress when the outage ended, and are over now."""
        return [end for end in self._attempts() if end.state != "sending"]

    def settled(self, ends: list[Kept]) -> None:
        """Note that the store has been told of finished attempts."""
        for end in ends:
            self._unfinished.pop(end.id, None)

    def counts(self) -> dict[str, int]:
        """Return what was counted here since the last call, for the store's counters."""
        stores = {*self._unfinished.values(), *([] if self._store is None else [self._store])}
        counted: Counter[str] = Counter()
        for store in stores:
            counted.update(store.take_counts())
        return {k: n for k, n in counted.items() if not k.startswith(_COUNTED)}
