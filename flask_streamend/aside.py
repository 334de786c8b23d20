"""Calls of other people's code, in threads that are waited for no longer than a bounded time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Call(Generic[T]):
    """One call and what became of it.

    :ivar done: set when it is over.
    :ivar error: what it raised.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self.done = threading.Event()
        self.answer: T | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        """Make the call."""
        try:
            self.answer = self._function()
        except Exception as error:  # noqa: BLE001 - it is the caller's to judge
            self.error = error
        finally:
            self.done.set()


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
        self._idle: list[queue.SimpleQueue[Call[object]]] = []
        self._threads = 0

    def call(self, function: Callable[[], T]) -> Call[T] | None:
        """Begin a call; None where as many as may be are under way already."""
        with self._lock:
            if self._idle:
                inbox = self._idle.pop()
            elif self._threads < self._most:
                self._threads += 1
                inbox = queue.SimpleQueue()
                threading.Thread(
                    target=self._run, args=(inbox,), name="flask_streamend.aside", daemon=True
                ).start()
            else:
                return None
        call = Call(function)
        inbox.put(call)  # type: ignore[arg-type]
        return call

    def _run(self, inbox: queue.SimpleQueue[Call[object]]) -> None:
        while True:
            inbox.get().run()
            with self._lock:
                self._idle.append(inbox)
