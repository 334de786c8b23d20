"""Whether the store answers this process: said once when it changes, counted each time it fails."""

from __future__ import annotations

import time

from .errors import StoreError
from .observing import Observers
from .telemetry.logs import log


class Contact:
    """This process's contact with the store.

    :ivar away: True from a failure until everything was put back.
    """

    def __init__(self, observers: Observers) -> None:
        self._observers = observers
        self._last = time.monotonic()
        self.away = False

    def lost(self, error: StoreError) -> None:
        """Note that the store did not answer."""
        self._observers.failed("store")
        if not self.away:
            self.away = True
            log.error("redis-away: viewers are counted here and reported later: %s", error)

    def back(self) -> None:
        """Note that the store answered, and knows what this process knows."""
        self._last = time.monotonic()
        if self.away:
            self.away = False
            log.warning("redis-back: the store answers again")

    def silent(self) -> float:
        """Return the seconds since the store answered last."""
        return time.monotonic() - self._last
