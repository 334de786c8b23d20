"""Calls that nobody can bound, so few of them at once that those which hang leave room for others.

A call that needs its request's context is made in the request's own thread or greenlet, where it
can't be given up: what it began in that context, as a database session, would be used by two.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Seconds after which a call counts as one that hangs, and for which a turn is waited for.
PATIENCE = 2.0


class Turns:
    """Lets in a bounded number of calls at once.

    :param most: says how many may be under way now.
    """

    def __init__(self, most: Callable[[], int]) -> None:
        self._most = most
        self._changed = threading.Condition()
        # When each call began, the newest last.
        self._began: dict[object, float] = {}

    @contextmanager
    def one(self) -> Iterator[bool]:
        """Take a turn for as long as the context lasts; False where there is none.

        It is waited for, but not where every call that is under way hangs.
        """
        call = object()
        with self._changed:
            given = self._free() or (
                not self._all_hang() and self._changed.wait_for(self._free, PATIENCE)
            )
            if given:
                self._began[call] = time.monotonic()
        try:
            yield given
        finally:
            if given:
                with self._changed:
                    del self._began[call]
                    self._changed.notify()

    def _free(self) -> bool:
        return len(self._began) < max(1, self._most())

    def _all_hang(self) -> bool:
        return time.monotonic() - next(reversed(self._began.values())) >= PATIENCE
