"""Presence and ends made by hand, for tests of the store and of what stands on it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from redis import BlockingConnectionPool, Redis

from flask_streamend.store.base import Held, Report, Reported
from flask_streamend.store.deliveries import Delivery
from flask_streamend.store.interface import Store

from ..servers import eventually

LEASE = 60_000
_numbers = count()


class Web:
    """One web process, as the store sees it: a holder that reports.

    :param delay: the grace period of its events, in milliseconds.
    """

    def __init__(self, store: Store, holder: str, delay: int = 0) -> None:
        self.store = store
        self.holder = holder
        self.delay = delay
        self.seq = 0

    def send(self, counts: Mapping[str, int], full: bool = False, seq: int | None = None) -> Report:
        """Report these numbers of viewers; the first report is full."""
        self.seq = self.seq + 1 if seq is None else seq
        held = {
            event: Held(viewers, f"{event}-by-{self.holder}-{self.seq}", self.delay)
            for event, viewers in counts.items()
        }
        return self.store.report(self.holder, self.seq, LEASE, held, full or self.seq == 1)

    def set(self, event: str, viewers: int) -> Reported:
        """Report one event's viewers and return what became of it."""
        (reported,) = self.send({event: viewers}).events
        return reported

    def visit(self, *events: str) -> None:
        """Have somebody come to each event and leave it."""
        self.send(dict.fromkeys(events, 1))
        self.send(dict.fromkeys(events, 0))


def end(store: Store, *events: str) -> list[str]:
    """Have these events end and return their deliveries' ids."""
    Web(store, f"visitor-{next(_numbers)}").visit(*events)
    ended: list[str] = []

    def all_ended() -> bool:
        ended.extend(end.session for end in store.claim(1000))
        return len(ended) == len(events)

    eventually(all_ended, "every event ended")
    return ended


def take(store: Store, owner: str, lease: int = LEASE) -> Delivery:
    """Wait for one delivery and take it."""
    (delivery,) = eventually(lambda: store.take(owner, lease, 1), "a delivery can be taken")
    return delivery


def clock(redis: Redis) -> float:
    """Return Redis's time in milliseconds."""
    seconds, micros = redis.time()
    return float(seconds * 1000 + micros / 1000)


def pooled(redis_url: str) -> Redis:
    """Return a client that many threads share, as the extension makes its own."""
    return Redis.from_pool(BlockingConnectionPool.from_url(redis_url, max_connections=10))


def texts(values: Any) -> set[str]:
    """Return a reply's names as texts."""
    return {value.decode() for value in values}
