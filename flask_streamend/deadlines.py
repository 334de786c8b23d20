"""Acting on what is not over in time: for exchanges with no time-out that holds for the whole."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Seconds for which the thread stays when nothing is under way: to start one is a wait for it.
LINGER = 60.0


class Deadlines:
    """Watches what is under way in one process, by one thread.

    That starts with the first, and ends when nothing is under way for a while: a thread for each
    would cost more than what it watches. What is over in time costs a note; it wakes nobody but a
    thread that has nothing sooner to look at.

    :param linger: seconds of that while.
    """

    def __init__(self, linger: float = LINGER) -> None:
        self._linger = linger
        self.renew()

    def renew(self) -> None:
        """Begin anew in a child process, which has none of its parent's threads."""
        self._lock = threading.Condition()
        self._acts: dict[object, tuple[float, Callable[[], None]]] = {}
        #: When the thread looks next, on the monotonic clock; None: there is none.
        self._looks_at: float | None = None

    @contextmanager
    def within(self, seconds: float, act: Callable[[], None]) -> Iterator[None]:
        """Have something done if the context is not left within some seconds.

        :param act: must not raise, nor wait; it is never called once the context is left.
        """
        name, at = object(), time.monotonic() + seconds
        with self._lock:
            if self._looks_at is None:
                watch = threading.Thread(
                    target=self._watch, name="flask_streamend.deadlines", daemon=True
                )
                # Where no thread can be had, this raises: nothing is begun that nobody would end.
                watch.start()
                self._looks_at = at
            elif at < self._looks_at:
                self._lock.notify()
            self._acts[name] = at, act
        try:
            yield
        finally:
            with self._lock:
                self._acts.pop(name, None)

    def _watch(self) -> None:
        with self._lock:
            idle_from = now = time.monotonic()
            while self._acts or now < idle_from + self._linger:
                for name, (at, act) in list(self._acts.items()):
                    if at <= now:
                        del self._acts[name]
                        act()
                if self._acts:
                    idle_from = now
                ends = idle_from + self._linger
                self._looks_at = min((at for at, _ in self._acts.values()), default=ends)
                self._lock.wait(max(0.0, self._looks_at - now))
                now = time.monotonic()
            self._looks_at = None


_deadlines = Deadlines()
within = _deadlines.within

os.register_at_fork(after_in_child=_deadlines.renew)
