"""Calls of other people's code, in threads that are waited for no longer than a bounded time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Call(Generic[T]):
    """One call and what became of it.

    :ivar answer: what it returned.
    :ivar error: what it raised.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        # Locks to wait for, here and in a helper: an event and a queue cost three times as much.
        self._over = threading.Lock()
        self._over.acquire()
        self.answer: T | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Make the call."""
        try:
            self.answer = self._function()
        except BaseException as error:  # noqa: BLE001 - the caller's to judge; a helper goes on
            self.error = error

    def announce(self) -> None:
        """Let go of who waits."""
        self._over.release()

    def wait(self, seconds: float) -> bool:
        """Wait, once; return whether the call was over within some seconds."""
        return self._over.acquire(timeout=seconds)


class _Helper:
    """A thread that makes one call after another.

    :param free: called when it is free for the next.
    """

    def __init__(self, free: Callable[[_Helper], None]) -> None:
        self._free = free
        self._wanted = threading.Lock()
        self._wanted.acquire()
        self._call: Call[object]
        threading.Thread(target=self._run, name="flask_streamend.aside", daemon=True).start()

    def make(self, call: Call[object]) -> None:
        """Have a call made; the helper must be free."""
        self._call = call
        self._wanted.release()

    def _run(self) -> None:
        while True:
            self._wanted.acquire()
            call = self._call
            call.run()
            # Before it is announced: who waited finds a free helper for the next call.
            self._free(self)
            call.announce()


class Aside:
    """A few threads that make calls; each is kept for the next call when it is done.

    :param most: calls that may be under way at once, those that hang included.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.renew()

    def renew(self) -> None:
        """Begin anew in a child process, which has none of its parent's threads."""
        self._lock = threading.Lock()
        self._free: list[_Helper] = []
        self._helpers = 0

    def call(self, function: Callable[[], T]) -> Call[T] | None:
        """Begin a call; None where as many as may be are under way already."""
        with self._lock:
            if self._free:
                helper = self._free.pop()
            elif self._helpers < self._most:
                self._helpers += 1
                helper = _Helper(self._free.append)
            else:
                return None
        call = Call(function)
        helper.make(call)  # type: ignore[arg-type]
        return call
