"""How many different names there were, in bounded memory: what HyperLogLog is in Redis."""

from __future__ import annotations

import hashlib

#: Hashes kept at the least, of eight bytes each. Up to so many the number is exact.
KEPT = 4096
_RANGE = 2**64


class Sketch:
    """The smallest hashes of all names, from which follows how many there were.

    Hashes are spread evenly, so the rank of one tells how many there are of all: with a standard
    error of 1.6 % (one by the root of KEPT).
    """

    __slots__ = ("_hashes", "_limit")

    def __init__(self) -> None:
        self._hashes: set[int] = set()
        self._limit = _RANGE

    def add(self, name: str) -> None:
        """Note a name; a repeat changes nothing."""
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        value = int.from_bytes(digest, "big")
        if value < self._limit:
            self._hashes.add(value)
            if len(self._hashes) >= 2 * KEPT:
                self._prune()

    def count(self) -> int:
        """Return how many different names there were."""
        if self._limit == _RANGE and len(self._hashes) <= KEPT:
            return len(self._hashes)
        self._prune()
        return round((KEPT - 1) * _RANGE / (self._limit - 1))

    def _prune(self) -> None:
        smallest = sorted(self._hashes)[:KEPT]
        self._hashes, self._limit = set(smallest), smallest[-1] + 1
