"""The store in Redis: each method one Lua script, which alone sees the raw reply.

Works with Redis 6.2 on and with Valkey.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, cast

from redis import Redis

from ..event import EventStatus
from .base import (
    LATENCY_BOUNDS_MS,
    Change,
    DeadAct,
    Delivery,
    Ended,
    GuestAct,
    Heartbeat,
    Held,
    Look,
    Outcome,
    Over,
    Record,
    Report,
    Reported,
    Totals,
)
from .bounds import KEEP_COUNT, KEEP_MS, OVER_MS, OVERDUE_MS, RINGING_MS, UNHEARD_MS
from .keys import Keys
from .scripts import Scripts, answering, text


class RedisStore:
    """The store of one namespace in one Redis.

    :param redis: a client; RQ needs one that does not decode replies, and so does this.
    :param namespace: the prefix of every key.
    """

    def __init__(self, redis: Redis, namespace: str) -> None:
        self.redis = redis
        self.keys = Keys(namespace)
        self._run = Scripts(redis).run
        k = self.keys
        self._presence = [k.holders, k.clients, k.sessions, k.due, k.stats, k.over]

    def report(
        self, holder: str, seq: int, lease: int, held: Mapping[str, Held], full: bool
    ) -> Report:
        entries = {event: [h.count, h.session, h.delay, h.most] for event, h in held.items()}
        known, now, *rows = self._run(
            "report",
            [*self._presence, self.keys.held(holder)],
            *(holder, seq, lease, int(full), json.dumps(entries)),
        )
        return Report(int(now), tuple(map(_reported, rows)), known=text(known) != "unknown")

    def heartbeat(self, holder: str, lease: int, since: int) -> Heartbeat:
        k = self.keys
        known, now, clients, lapsed, over, expired, ring = self._run(
            "heartbeat",
            [k.holders, k.over, k.due, k.open, k.expiry, k.stats, k.ringing],
            *(holder, lease, since, UNHEARD_MS, RINGING_MS),
        )
        ended = (text(member).split(" ") for member in over)
        return Heartbeat(
            known=bool(known),
            now=int(now),
            clients=int(clients),
            lapsed=tuple(map(text, lapsed)),
            over=tuple(Over(event, session, Change(how)) for event, session, how in ended),
            expired=tuple(map(text, expired)),
            ring=bool(ring),
        )

    def reap(self, holder: str, goodbye: bool = False) -> Report:
        now, *rows = self._run(
            "reap", [*self._presence, self.keys.held(holder)], holder, int(goodbye)
        )
        return Report(int(now), tuple(map(_reported, rows)))

    def guest(
        self, act: GuestAct, event_id: str, guest: str, ttl: int, session: str, delay: int
    ) -> Report:
        k = self.keys
        keys = [k.held(k.GUESTS), k.guests(event_id), k.expiry, k.stragglers(event_id)]
        now, row, came, went = self._run(
            "guest", [*self._presence, *keys], *(act, event_id, guest, ttl, session, delay)
        )
        return Report(int(now), (_reported(row),), came=int(came), went=int(went))

    def schedule(self, event_id: str, session: str, delay: int) -> Report:
        now, row = self._run("schedule", self._presence[:5], event_id, session, delay)
        return Report(int(now), (_reported(row),))

    def finish(self, event_id: str, change: Change) -> Ended | None:
        k = self.keys
        guests = [k.guests(event_id), k.expiry, k.stragglers(event_id)]
        while True:
            with answering():
                holders = cast(list[Any], self.redis.zrange(k.holders, 0, -1))
            held = [k.held(text(holder)) for holder in (k.GUESTS, *holders)]
            row = self._run(
                "finish",
                [*self._presence, k.ledger, k.open, k.owed, *guests, *held],
                *(event_id, change.value, OVER_MS),
            )
            if len(row) != 1:
                return _ended(row) if row else None

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
        return [_ended(row) for row in rows]

    def take(self, owner: str, lease: int, limit: int) -> list[Delivery]:
        rows = self._run("take", [self.keys.open, self.keys.ledger], owner, lease, limit)
        return [_delivery(text(delivery), json.loads(packed)) for delivery, packed in rows]

    def sending(self, delivery: str, owner: str, lease: int) -> bool:
        keys = [self.keys.open, self.keys.ledger]
        return bool(self._run("sending", keys, delivery, owner, lease))

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
        with answering():
            pipe = self.redis.pipeline(transaction=False)
            pipe.time()
            pipe.zrange(self.keys.due, 0, 0, withscores=True)
            pipe.zrange(self.keys.open, 0, 0, withscores=True)
            (seconds, micros), *firsts = pipe.execute()
        times = [int(first[0][1]) for first in firsts if first]
        now = int(seconds * 1000 + micros / 1000)
        return max(0, min(times) - now) if times else None

    def status(self, event_ids: Iterable[str]) -> list[EventStatus]:
        k, ids = self.keys, list(event_ids)
        if not ids:
            return []
        with answering():
            pipe = self.redis.pipeline(transaction=True)
            pipe.hmget(k.sessions, ids)
            pipe.zmscore(k.clients, ids)
            pipe.zmscore(k.due, ids)
            sessions, clients, dues = pipe.execute()
        return [_status(*row) for row in zip(ids, sessions, clients, dues, strict=True)]

    def event_ids(self) -> Iterator[str]:
        seen: set[str] = set()
        with answering():
            for event, _ in self.redis.hscan_iter(self.keys.sessions, count=500):
                # A scan may name one twice while the hash grows.
                if (name := text(event)) not in seen:
                    seen.add(name)
                    yield name

    def dead(self, act: DeadAct, delivery: str) -> bool:
        k = self.keys
        return bool(self._run("dead", [k.open, k.owed, k.ledger, k.closed, k.stats], delivery, act))

    def records(self, limit: int) -> list[Record]:
        k = self.keys
        with answering():
            pipe = self.redis.pipeline(transaction=True)
            pipe.zrange(k.open, 0, limit - 1, withscores=True)
            pipe.zrevrange(k.closed, 0, limit - 1, withscores=True)
            opened, closed = pipe.execute()
            wanted = [(id_, at, None) for id_, at in opened]
            wanted += [(id_, None, at) for id_, at in closed]
            wanted = wanted[:limit]
            if not wanted:
                return []
            packed = cast(list[Any], self.redis.hmget(k.ledger, [row[0] for row in wanted]))
        return [
            _record(text(id_), json.loads(value), next_at, settled_at)
            for (id_, next_at, settled_at), value in zip(wanted, packed, strict=True)
            if value is not None
        ]

    def totals(self, busiest: int) -> Totals:
        k = self.keys
        now, events, ending, overdue, flat, top, met = self._run(
            "totals", [k.clients, k.due, k.owed, k.stats, k.problems], busiest, OVERDUE_MS
        )
        counters = {text(f): int(v) for f, v in zip(flat[::2], flat[1::2], strict=True)}
        return Totals(
            now=int(now),
            clients=counters.pop("clients", 0),
            live=int(events) - int(ending),
            ending=int(ending),
            overdue=int(overdue),
            dead=counters.pop("dead", 0),
            counters=counters,
            problems={text(c): float(at) for c, at in zip(met[::2], met[1::2], strict=True)},
            busiest=tuple((text(e), int(n)) for e, n in zip(top[::2], top[1::2], strict=True)),
        )

    def note_problem(self, code: str, there: bool) -> None:
        with answering():
            if there:
                self.redis.hsetnx(self.keys.problems, code, cast(Any, self.redis.time())[0])
            else:
                self.redis.hdel(self.keys.problems, code)

    def add(self, counts: Mapping[str, int]) -> None:
        with answering():
            pipe = self.redis.pipeline(transaction=True)
            for name, value in counts.items():
                pipe.hincrby(self.keys.stats, name, value)
            pipe.execute()


def _reported(row: list[Any]) -> Reported:
    event, change, session, clients, due = row
    return Reported(
        text(event), Change(text(change)), text(session), int(clients), int(due) if due else None
    )


def _ended(row: list[Any]) -> Ended:
    event, session, due, started, peak, clients = row
    return Ended(text(event), text(session), int(due), int(started), int(peak), int(clients))


def _delivery(id_: str, record: dict[str, Any]) -> Delivery:
    return Delivery(
        id_,
        record["event"],
        record["session"],
        int(record["due"]),
        int(record["attempts"]),
        int(record.get("clients", 0)),
    )


def _record(
    id_: str, record: dict[str, Any], next_at: float | None, settled_at: float | None
) -> Record:
    return Record(
        id=id_,
        event_id=record["event"],
        session=record["session"],
        channel=record["channel"],
        state=record["state"],
        attempts=int(record["attempts"]),
        error=record["error"],
        due_at=record["due"] / 1000,
        next_at=None if next_at is None else next_at / 1000,
        settled_at=None if settled_at is None else settled_at / 1000,
    )


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
