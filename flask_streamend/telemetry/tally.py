"""Counts made in this process, on their way to the store.

A counter that stayed in its process would die with RQ's forked worker, and would be wrong for two
web processes. What can't be written yet is kept and written later.
"""

from __future__ import annotations

import threading
from collections import Counter as Bag

from ..store.interface import Store
from .names import ERRORS


class Tally:
    """Adds up counts and hands them to the store. Bounded by the number of counter fields."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.renew()

    def renew(self) -> None:
        """Begin anew in a child process: what is counted here is its parent's to write."""
        self._lock = threading.Lock()
        self._counts: Bag[str] = Bag()

    def add(self, field: str, value: int = 1) -> None:
        """Count something by its field (see :mod:`names`)."""
        with self._lock:
            self._counts[field] += value

    def error(self, stage: str) -> None:
        """Count a failure of a stage."""
        self.add(ERRORS.field(stage))

    def flush(self) -> None:
        """Write what was counted.

        :raises StoreError: where the store does not answer; the counts are kept for the next time.
        """
        with self._lock:
            counts, self._counts = self._counts, Bag()
        if not counts:
            return
        try:
            self._store.add(counts)
        except Exception:
            with self._lock:
                self._counts.update(counts)
            raise

    def pending(self) -> dict[str, int]:
        """Return what was counted and not written yet."""
        with self._lock:
            return dict(self._counts)
