"""Both stores side by side on one clock: whatever one answers, the other must."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from typing import Any

from redis import Redis

from flask_streamend.store.memory import MemoryStore

from .clocked import ClockedStore

#: Milliseconds a fresh Redis waits before it ends anything, as ``lua/lib_pulse.lua`` has it.
FRESH_MS = 5000


class Starting(MemoryStore):
    """A store in memory that may begin as a server's does that just started."""

    def started(self) -> None:
        """Wait a while: it may have been emptied by that."""
        pulse, now = self._pulse, self._now()
        pulse.since, pulse.till, pulse.whole = now, now + FRESH_MS, True
        pulse.awake = pulse.till + FRESH_MS


class Differ(AssertionError):
    """The two stores gave different answers."""


def halves(now: Callable[[], float]) -> Callable[[], float]:
    """Return a clock that stands in the middle of a millisecond: no rounding decides."""
    return lambda: (math.floor(now() * 1000) + 0.5) / 1000


def plain(answer: Any) -> Any:
    """Return an answer with rows in a fixed order, and without the name of a store's life."""
    if is_dataclass(answer) and not isinstance(answer, type):
        row = {name: plain(value) for name, value in asdict(answer).items() if name != "epoch"}
        return sorted(row.items(), key=str)
    if isinstance(answer, dict):
        return sorted((key, plain(value)) for key, value in answer.items() if value or value == ())
    if isinstance(answer, (list, tuple, set)):
        return sorted((plain(item) for item in answer), key=str)
    return answer


class Twins(Starting):
    """A store in memory that checks each answer of its own against the one in Redis.

    :param redis: a client.
    :param namespace: of the store in Redis, which is to be empty.
    :param now: seconds since the epoch.
    """

    def __init__(self, redis: Redis, namespace: str, now: Callable[[], float]) -> None:
        clock = halves(now)
        super().__init__(clock)
        self.other = ClockedStore(redis, namespace, clock)
        self._other_epoch = ""

    def started(self) -> None:
        """Be one whose server starts now, as :meth:`ClockedStore.started` has it."""
        super().started()
        self.other.started()

    def __getattribute__(self, name: str) -> Any:
        mine = super().__getattribute__(name)
        if name not in CHECKED:
            return mine
        return lambda *args, **kwargs: self._both(name, mine, args, kwargs)

    def _both(
        self, name: str, mine: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        there = args
        if name in ("report", "heartbeat"):
            # Each has a name of its own for this life of the store.
            there = tuple(self._other_epoch if arg == self._pulse.epoch else arg for arg in args)
        answer = mine(*args, **kwargs)
        other = getattr(self.other, name)(*there, **kwargs)
        if name == "heartbeat":
            self._other_epoch = other.epoch
        if plain(answer) != plain(other):
            text = f"{name}{args}{kwargs}: memory {plain(answer)}, Redis {plain(other)}"
            raise Differ(text)
        return answer


#: What is done to both, and compared.
CHECKED = frozenset(
    (
        *("report", "heartbeat", "reap", "guest", "schedule", "finish", "look", "claim"),
        *("put_back", "still_owed", "hold", "take", "extend", "sending", "settle"),
        *("next_try", "split", "group", "gather"),
        *("status", "dead", "add"),
    )
)
