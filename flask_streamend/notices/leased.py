"""What a deliverer has taken up: its own for as long as its process lives, and not much longer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from ..deadlines import within
from ..errors import StoreError
from ..store.deliveries import Delivery
from ..store.interface import Store

#: Deliveries leased at a time.
BATCH = 100
#: Milliseconds that what was taken up stays its worker's unless that says it lives: another has it
#: told within the 5 s of the promise, whatever became of the first.
TURN_MS = 2_000
#: Seconds between two such signs of life.
BEAT = 0.5


def in_a_thread(seconds: float, act: Callable[[], None]) -> AbstractContextManager[None]:
    """Return a context that has something done in a thread if it lasts for longer than that."""

    def begin() -> None:
        # Where no thread can be had, others take up what waits; nothing is lost by that.
        with suppress(RuntimeError):
            threading.Thread(target=act, name="flask_streamend.leased", daemon=True).start()

    return within(seconds, begin)


class Leased:
    """Takes up deliveries for one deliverer.

    A claim of what a killed worker leaves behind must lapse soon, and a mail server or an event
    loader may take longer than that; so a thread extends it, from the first half second on: what is
    told sooner costs none.

    :param owner: who the deliverer is, for the store.
    :ivar later: by a channel in trouble: tried when nothing else is due.
    :ivar watch: has something begun that goes on beside what is told.
    """

    def __init__(self, store: Store, owner: str) -> None:
        self._store = store
        self._owner = owner
        self._taken: list[Delivery] = []
        self.later: dict[str, Delivery] = {}
        self.watch = in_a_thread

    def take(self) -> list[Delivery]:
        """Take up what is ready, oldest first."""
        self._taken = self._store.take(self._owner, TURN_MS, BATCH)
        return self._taken

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Return a context in which what was taken up stays this deliverer's."""
        told = threading.Event()
        self.later.clear()
        with self.watch(BEAT, lambda: self._extend(told)):
            try:
                yield
            finally:
                told.set()

    def _extend(self, told: threading.Event) -> None:
        while not told.is_set():
            mine = [delivery.id for delivery in (*self._taken, *list(self.later.values()))]
            with suppress(StoreError):  # nobody else takes it up either
                for start in range(0, len(mine), BATCH):
                    self._store.extend(self._owner, mine[start : start + BATCH], TURN_MS)
            time.sleep(BEAT)
