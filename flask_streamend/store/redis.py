"""The store in Redis: each method one Lua script, which alone sees the raw reply.

Works with Redis 6.2 on and with Valkey.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, Literal, cast

from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.exceptions import RedisError
from redis.retry import Retry

from ..errors import StoreError
from ..event import EventStatus
from .base import (
    LATENCY_BOUNDS_MS,
    Change,
    Delivery,
    Ended,
    Held,
    Look,
    Outcome,
    Report,
    Reported,
    Totals,
)
from .keys import Keys

#: Seconds to wait for Redis, on a thread that can wait.
TIMEOUT = 2.0
#: Seconds to wait for Redis while somebody waits for a page that must answer within a second.
GLANCE_TIMEOUT = 0.4
#: A blocking pool: redis-py's plain one raises when it has none left, and the leave is lost.
CONNECTIONS = 10

#: The ledger's bounds: how long, and how many, settled deliveries are kept.
KEEP_MS = 7 * 86_400_000
KEEP_COUNT = 10_000
#: An unsettled delivery counts as overdue this long after its event ended.
OVERDUE_MS = 5_000


def connect(url: str, timeout: float = TIMEOUT, connections: int = CONNECTIONS) -> Redis:
    """Return a client for a Redis address; nothing is opened before its first command.

    :param timeout: seconds to wait for a connection, for a reply, and for a free place in the pool.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=timeout,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        # Once, at once: a pooled connection that Redis closed meanwhile. Every script bears it.
        retry=Retry(NoBackoff(), 1),
    )
    return Redis(connection_pool=pool)


@contextmanager
def _answering() -> Iterator[None]:
    """Turn the driver's errors into this package's."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise StoreError(f"Redis: {type(error).__name__}: {error}") from error


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class RedisStore:
    """The store of one namespace in one Redis.

    :param redis: a client; RQ needs one that does not decode replies, and so does this.
    :param namespace: the prefix of every key.
    """

    def __init__(self, redis: Redis, namespace: str) -> None:
        self.redis = redis
        self.keys = Keys(namespace)
        self._scripts: dict[str, Script] = {}

    def _run(self, name: str, keys: list[str], *args: Any) -> Any:
        script = self._scripts.get(name)
        if script is None:
            source = (files(__package__) / "lua" / f"{name}.lua").read_text(encoding="utf-8")
            script = self._scripts[name] = self.redis.register_script(source)
        with _answering():
            return script(keys=keys, args=list(args))

    def report(
        self, holder: str, seq: int, lease: int, held: Mapping[str, Held], full: bool
    ) -> Report:
        k = self.keys
        entries = {event: [h.count, h.session, h.delay] for event, h in held.items()}
        reply = self._run(
            "report",
            [k.holders, k.held(holder), k.clients, k.sessions, k.due, k.stats],
            *(holder, seq, lease, int(full), json.dumps(entries)),
        )
        events = tuple(
            Reported(
                _text(event),
                Change(_text(change)),
                _text(session),
                int(clients),
                int(due) if due else None,
            )
            for event, change, session, clients, due in reply[2:]
        )
        return Report(known=_text(reply[0]) != "unknown", now=int(reply[1]), events=events)

    def renew(self, holder: str, lease: int) -> bool:
        return bool(self._run("renew", [self.keys.holders], holder, lease))

    def look(self, due: int | None) -> Look:
        now, ready, waiting = self._run(
            "look", [self.keys.due, self.keys.open], "" if due is None else due
        )
        return Look(int(now), int(ready), bool(waiting))

    def claim(self, limit: int) -> list[Ended]:
        k = self.keys
        rows = self._run(
            "claim", [k.due, k.clients, k.sessions, k.ledger, k.open, k.owed, k.stats], limit
        )
        return [
            Ended(_text(event), _text(session), int(due), int(started), int(peak))
            for event, session, due, started, peak in rows
        ]

    def take(self, owner: str, lease: int, limit: int) -> list[Delivery]:
        rows = self._run("take", [self.keys.open, self.keys.ledger], owner, lease, limit)
        taken = []
        for delivery, packed in rows:
            record = json.loads(packed)
            taken.append(
                Delivery(
                    _text(delivery),
                    record["event"],
                    record["session"],
                    int(record["due"]),
                    int(record["attempts"]),
                )
            )
        return taken

    def sending(self, delivery: str, owner: str, lease: int) -> bool:
        return bool(
            self._run("sending", [self.keys.open, self.keys.ledger], delivery, owner, lease)
        )

    def settle(
        self, delivery: str, owner: str, channel: str, outcome: Outcome, error: str, retry: int
    ) -> int:
        k = self.keys
        bounds = " ".join(map(str, LATENCY_BOUNDS_MS))
        late = self._run(
            "settle",
            [k.open, k.owed, k.ledger, k.closed, k.stats],
            *(delivery, owner, channel, outcome.value, error, retry, KEEP_MS, KEEP_COUNT, bounds),
        )
        return int(late)

    def next_try(self) -> int | None:
        with _answering():
            pipe = self.redis.pipeline(transaction=False)
            pipe.time()
            pipe.zrange(self.keys.open, 0, 0, withscores=True)
            (seconds, micros), first = pipe.execute()
        if not first:
            return None
        return max(0, int(first[0][1]) - int(seconds * 1000 + micros / 1000))

    def status(self, event_ids: Iterable[str]) -> list[EventStatus]:
        k, ids = self.keys, list(event_ids)
        if not ids:
            return []
        with _answering():
            pipe = self.redis.pipeline(transaction=True)
            pipe.hmget(k.sessions, ids)
            pipe.zmscore(k.clients, ids)
            pipe.zmscore(k.due, ids)
            sessions, clients, dues = pipe.execute()
        return [_status(*row) for row in zip(ids, sessions, clients, dues, strict=True)]

    def totals(self, busiest: int) -> Totals:
        k = self.keys
        now, events, ending, overdue, flat, top = self._run(
            "totals", [k.clients, k.due, k.owed, k.stats], busiest, OVERDUE_MS
        )
        counters = {_text(f): int(v) for f, v in zip(flat[::2], flat[1::2], strict=True)}
        return Totals(
            now=int(now),
            clients=counters.pop("clients", 0),
            live=int(events) - int(ending),
            ending=int(ending),
            overdue=int(overdue),
            dead=counters.pop("dead", 0),
            counters=counters,
            busiest=tuple((_text(e), int(n)) for e, n in zip(top[::2], top[1::2], strict=True)),
        )

    def add(self, counts: Mapping[str, int]) -> None:
        with _answering():
            pipe = self.redis.pipeline(transaction=True)
            for name, value in counts.items():
                pipe.hincrby(self.keys.stats, name, value)
            pipe.execute()


def _status(event_id: str, packed: Any, clients: Any, due: Any) -> EventStatus:
    if packed is None:
        return EventStatus(event_id, "idle")
    session = json.loads(packed)
    state = "ending" if due is not None else "live"
    return EventStatus(
        event_id,
        cast(Literal["live", "ending"], state),
        int(clients or 0),
        session["id"],
        session["started"] / 1000,
        None if due is None else due / 1000,
        int(session["peak"]),
    )
