"""When a process says what it is: once, and again where the store may not know it.

Nothing of it is done for a viewer, or with a beat.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from .errors import StoreError
from .facts import Facts

#: Seconds after which a process says again what it is; what it said is kept for three of them.
AGAIN = 3600.0
KEEP_MS = int(3 * AGAIN * 1000)
#: Seconds until the next try, where the store does not answer.
RETRY = 30.0


class Introduction:
    """One process's.

    :param facts: says what this process is; None: not known yet.
    :param known: changes where the store may have forgotten this process; None: not yet there.
    :param tell: has the store keep it.
    """

    def __init__(
        self,
        facts: Callable[[], Facts | None],
        known: Callable[[], object],
        tell: Callable[[Facts], object],
    ) -> None:
        self._facts = facts
        self._known = known
        self._tell = tell
        self._told: object = None
        self._next = 0.0
        self._since = 0.0

    def tick(self) -> None:
        """Say what this process is, if it is time; called whenever something else is done."""
        now, known = time.monotonic(), self._known()
        if known is None or (now < self._next and known == self._told):
            return
        facts = self._facts()
        if facts is None:
            return
        self._since = self._since or facts.since
        self._told = known
        try:
            self._tell(replace(facts, since=self._since))
            self._next = now + AGAIN
        except StoreError:
            # Whoever asks has its answer a little later; contact is for others to judge.
            self._next = now + RETRY
