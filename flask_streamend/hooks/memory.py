"""Who was there before a store was emptied: no streaming server says again who came."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .call import Sight
from .names import Kind

#: An event, and a connection's name in the store.
Key = tuple[str, str]

#: Seconds for which the pages of a server's other processes are waited for.
LONGEST = 120.0


class Seen(NamedTuple):
    """Where a connection was seen, and what it does."""

    place: str
    kind: Kind


class _Known(NamedTuple):
    """Who was noted in a life of the store, and when that was, on the monotonic clock."""

    life: str
    at: float
    who: frozenset[Key]


class Memory:
    """Who was noted at the last check, until that is known to another life of the store.

    :param grace: returns an event's grace period, in milliseconds.
    """

    def __init__(self, grace: Callable[[str], int]) -> None:
        self._grace = grace
        self._known: dict[str, _Known] = {}

    def other_life(self, server: str, life: Callable[[], str]) -> bool:
        """Return whether a server's connections were noted in another life of the store."""
        known = self._known.get(server)
        return known is not None and known.life != life()

    def forget(self, server: str) -> None:
        """Forget who was noted of a server: another process checks it."""
        self._known.pop(server, None)

    def note(self, server: str, life: str, who: frozenset[Key]) -> None:
        """Note who is noted now; not where the store may have lost some."""
        if self._known.setdefault(server, _Known(life, 0.0, who)).life == life:
            self._known[server] = _Known(life, time.monotonic(), who)

    def lost(
        self,
        server: str,
        life: str,
        who: frozenset[Key],
        sight: Sight,
        there: Mapping[Key, Kind],
        seen: Mapping[Key, Seen],
    ) -> dict[Key, Seen]:
        """Return whom the store has lost and is to be told of; it is taken for told then.

        Who was seen before, and is not any more, left meanwhile, or is on another process's page.
        If that was within its event's grace period nobody was told of its end: it is still to come.

        :param who: who is noted in this life of the store.
        :param there: of those who were noted, who is on the page, and what it does.
        :param seen: where each was seen at the check before.
        """
        known = self._known[server]
        age, lost = time.monotonic() - known.at, dict[Key, Seen]()
        for key in known.who - who:
            if key in there:
                lost[key] = Seen(sight.place, there[key])
            elif key in seen and age < self._grace(key[0]) / 1000:
                lost[key] = seen[key]
        left = known.who - who - lost.keys()
        if left and not sight.whole and age < LONGEST:
            self._known[server] = known._replace(who=left)
        else:
            self._known[server] = _Known(life, time.monotonic(), who | lost.keys())
        return lost

    def who(self, server: str) -> frozenset[Key]:
        """Return who was noted at the last check."""
        return self._known[server].who
