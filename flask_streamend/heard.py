"""The store's clock, as a process knows it between two answers."""

from __future__ import annotations

import time


class Heard:
    """The store's time, as it was heard last.

    :ivar last: that time, in milliseconds; None: it was never heard.
    """

    def __init__(self) -> None:
        self.last: int | None = None
        self._at = 0.0

    def hear(self, now: int) -> None:
        """Note the store's time, as it was just heard."""
        self.last, self._at = now, time.monotonic()

    def now(self) -> int | None:
        """Return the store's time by now, at least: the answer was on its way for a while."""
        since = int((time.monotonic() - self._at) * 1000)
        return None if self.last is None else self.last + since

    def at_least(self, instant: int) -> int:
        """Return the store's time by now, where an instant is known to be past."""
        return max(instant, self.now() or instant)
