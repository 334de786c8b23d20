"""A heap of instants on the monotonic clock, which no change of the host's clock moves."""

from __future__ import annotations

import heapq
import threading
import time
from typing import Generic, TypeVar

T = TypeVar("T")


class Timer(Generic[T]):
    """Instants by name; setting a name again moves it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heap: list[tuple[float, str]] = []
        self._at: dict[str, tuple[float, T]] = {}

    def set(self, name: str, wait: float, item: T) -> None:
        """Note an item under a name, due in ``wait`` seconds."""
        at = time.monotonic() + wait
        with self._lock:
            self._at[name] = (at, item)
            heapq.heappush(self._heap, (at, name))
            # Moved and cancelled names leave their old entries behind: bounded to one in two.
            if len(self._heap) > 2 * len(self._at) + 64:
                self._heap = [(at, name) for name, (at, _) in self._at.items()]
                heapq.heapify(self._heap)

    def cancel(self, name: str) -> None:
        """Forget a name, if it is there."""
        with self._lock:
            self._at.pop(name, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._heap.clear()
            self._at.clear()

    def pop_due(self) -> list[T]:
        """Take out and return the items whose instant has come, earliest first."""
        now = time.monotonic()
        due: list[T] = []
        with self._lock:
            while self._heap and self._heap[0][0] <= now:
                at, name = heapq.heappop(self._heap)
                entry = self._at.get(name)
                if entry is not None and entry[0] == at:
                    due.append(entry[1])
                    del self._at[name]
        return due

    def wait(self) -> float | None:
        """Return the seconds until the next instant; None where there is none."""
        with self._lock:
            return max(0.0, self._heap[0][0] - time.monotonic()) if self._heap else None
