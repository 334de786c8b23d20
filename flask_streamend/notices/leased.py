"""What a deliverer has taken up: its own for as long as its process lives, and not much longer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress

from ..deadlines import within
from ..errors import StoreError
from ..store.deliveries import Delivery
from ..store.interface import Store

#: Deliveries leased at a time.
BATCH = 100
#: Milliseconds that what was taken up stays its worker's unless that says it lives: another has it
#: told within seconds, whatever became of the first.
TURN_MS = 2_000
#: Seconds between two such signs of life.
BEAT = 0.5
#: Seconds for which a notice may be prepared: longer than a digest's events may be asked for, and a
#: mail server may take to greet. While it is sent it has a lease of its own, which nobody extends.
LONGEST = 150.0
#: Seconds for which others wait behind one that is told; then another worker may take them up.
PATIENCE = 15.0


def in_a_thread(seconds: float, act: Callable[[], None]) -> AbstractContextManager[None]:
    """Return a context that has something done in a thread if it lasts for longer than that.

    :raises RuntimeError: where no thread can be had.
    """

    def begin() -> None:
        with suppress(RuntimeError):
            threading.Thread(target=act, name="flask_streamend.leased", daemon=True).start()

    return within(seconds, begin)


class Leased:
    """Takes up deliveries for one deliverer.

    A claim of what a killed worker leaves behind must lapse soon, and a mail server or an event
    loader may take longer than that; so a thread extends it, from the first half second on: what is
    told sooner costs none.

    :param owner: who the deliverer is, for the store.
    :ivar watch: has something begun that goes on beside what is told.
    """

    def __init__(self, store: Store, owner: str) -> None:
        self._store = store
        self._owner = owner
        # By a channel in trouble: tried when nothing else is due.
        self._later: dict[str, Delivery] = {}
        # Since when one is told, which, and which wait behind it.
        self._now: tuple[float, list[str], list[str]] = (0.0, [], [])
        self.watch = in_a_thread

    def take(self) -> Iterator[Delivery]:
        """Take up what is ready; yield it one by one, oldest first."""
        taken = self._store.take(self._owner, TURN_MS, BATCH)
        ids = [delivery.id for delivery in taken]
        for n, delivery in enumerate(taken):
            self._now = time.monotonic(), [delivery.id], ids[n + 1 :]
            yield delivery

    def put_off(self, delivery: Delivery) -> None:
        """Keep one for when nothing else is due."""
        self._later[delivery.id] = delivery
        self._store.extend(self._owner, [delivery.id], int(PATIENCE * 1000))

    def put_off_longest(self) -> Delivery | None:
        """Return what was put off first, as what is told now; None: there is nothing."""
        if not self._later:
            return None
        delivery = self._later.pop(next(iter(self._later)))
        self._now = time.monotonic(), [delivery.id], []
        return delivery

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Return a context in which what was taken up stays this deliverer's."""
        told = threading.Event()
        self._later.clear()
        with ExitStack() as stack:
            # Without a thread others take up what waits for long; nothing is lost by that.
            with suppress(RuntimeError):
                stack.enter_context(self.watch(BEAT, lambda: self._extend(told)))
            stack.callback(told.set)
            yield

    def _extend(self, told: threading.Event) -> None:
        while not told.is_set():
            since, telling, behind = self._now
            lasts = time.monotonic() - since
            mine = telling if lasts < LONGEST else []
            mine = mine + behind if lasts < PATIENCE else mine
            with suppress(StoreError):  # nobody else takes it up either
                self._store.extend(self._owner, mine, TURN_MS)
            time.sleep(BEAT)
