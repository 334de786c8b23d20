"""Processes that are gone, in the store in memory: as ``#seq`` in Redis, which stays."""

from __future__ import annotations

from .bounds import GONE_MS


class Gone:
    """The last report of each, for a minute: one that was held up on its way brings nobody back."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, int]] = {}

    def note(self, holder: str, seq: int, now: int) -> None:
        """Note that a process is gone, and forget those that are long gone."""
        self._last = {name: last for name, last in self._last.items() if last[1] > now}
        self._last[holder] = seq, now + GONE_MS

    def last(self, holder: str, now: int) -> int:
        """Return the number of its last report; -1: it is not known as gone."""
        seq, until = self._last.get(holder, (-1, 0))
        return seq if until > now else -1
