"""The ledger of the store in Redis: what is owed to hosts, and how it went."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from redis import Redis

from .base import DeadAct, Outcome, Record
from .bounds import DIGEST_MAX, KEEP_COUNT, KEEP_MS, STRAY_MS
from .deliveries import Delivery, Member, Owing, Share, Waits
from .keys import Keys
from .scripts import Scripts, answering, text


class RedisLedger:
    """Deliveries, and the counters beside them.

    :param redis: a client; RQ needs one that does not decode replies, and so does this.
    :param namespace: the prefix of every key.
    """

    def __init__(self, redis: Redis, namespace: str) -> None:
        self.redis = redis
        self.keys = Keys(namespace)
        self._run = Scripts(redis).run
        k = self.keys
        self._books = [k.open, k.ledger, k.pulse, k.stats, k.closed, k.failing, k.exemplars]
        self._books += [k.pending, k.sending, k.retrying]

    def take(self, owner: str, lease: int, limit: int) -> list[Delivery]:
        rows = self._run("take", self._books, owner, lease, limit)
        return [_delivery(text(delivery), json.loads(packed)) for delivery, packed in rows]

    def extend(self, owner: str, deliveries: Sequence[str], lease: int) -> None:
        keys = [self.keys.open, self.keys.ledger]
        self._run("extend", keys, owner, json.dumps(deliveries), lease)

    def split(self, delivery: str, owner: str, channels: Sequence[str], trace: str = "") -> str:
        packed = json.dumps(channels)
        return text(self._run("split", self._books, delivery, owner, packed, trace))

    def group(
        self, delivery: str, owner: str, whose: str, channel: str, wait: int, most: int = DIGEST_MAX
    ) -> Waits | None:
        keys = [*self._books, self.keys.digests]
        row = self._run("group", keys, *(delivery, owner, whose, channel, wait, most, STRAY_MS))
        if not row:
            return None
        digest, due, left, made = row
        return Waits(text(digest), int(due), int(left), bool(made))

    def gather(
        self, digest: str, owner: str, lease: int, out: Mapping[str, str] | None = None
    ) -> list[Member] | None:
        keys = [*self._books, self.keys.digests]
        packed = self._run("gather", keys, digest, owner, lease, json.dumps(out or {}))
        if not packed:
            return None
        return [
            Member(
                *(m["id"], m["event"], m["session"], int(m["due"])),
                *(int(m["clients"]), int(m["started"]), int(m["peak"]), unique_of(m)),
                out=m.get("out", ""),
            )
            # Lua's empty table is an object.
            for m in json.loads(packed) or ()
        ]

    def sending(self, delivery: str, owner: str, lease: int, channel: str = "") -> bool:
        return bool(self._run("sending", self._books, delivery, owner, lease, channel))

    def settle(
        self,
        delivery: str,
        owner: str,
        channel: str,
        outcome: Outcome,
        error: str,
        retry: int,
        reason: str = "",
        took: int = -1,
        trace: str = "",
        attempt: str = "",
    ) -> int:
        late = self._run(
            "settle",
            self._books,
            *(delivery, owner, channel, outcome.value, error, reason, took, retry),
            *(KEEP_MS, KEEP_COUNT, trace, attempt),
        )
        return int(late)

    def still_owed(self, ends: Sequence[tuple[str, str]]) -> dict[str, Owing]:
        if not ends:
            return {}
        k = self.keys
        rows = self._run("still_owed", [k.sessions, k.due, k.open, k.ledger], json.dumps(ends))
        return {
            text(session): Owing(left, tuple(Share(*row) for row in json.loads(packed or "[]")))
            for session, left, packed in rows
        }

    def traces(self, ends: Sequence[tuple[str, str]]) -> dict[str, tuple[str, bool]]:
        k, found = self.keys, {}
        with answering():
            pipe = self.redis.pipeline(transaction=True)
            pipe.hmget(k.sessions, [event for event, _ in ends])
            pipe.hmget(k.ledger, [session for _, session in ends])
            sessions, records = pipe.execute()
        for (_, id_), packed, record in zip(ends, sessions, records, strict=True):
            if record is not None:
                found[id_] = json.loads(record).get("trace", ""), True
            elif packed is not None and (session := json.loads(packed))["id"] == id_:
                found[id_] = session.get("trace", ""), False
        return found

    def dead(self, act: DeadAct, delivery: str) -> bool:
        return bool(self._run("dead", self._books, delivery, act))

    def hold(self, ms: int) -> int:
        return int(self._run("hold", [self.keys.pulse], ms))

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
            shown(text(id_), json.loads(value), next_at, settled_at)
            for (id_, next_at, settled_at), value in zip(wanted, packed, strict=True)
            if value is not None
        ]

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


def _delivery(id_: str, record: dict[str, Any]) -> Delivery:
    return Delivery(
        id_,
        record["event"],
        record["session"],
        int(record["due"]),
        int(record["attempts"]),
        int(record.get("clients", 0)),
        bool(record.get("again")),
        record.get("trace", ""),
        record.get("tried", ""),
        int(record["started"]),
        int(record["peak"]),
        unique_of(record),
        record["channel"],
        record["state"] == "pending",
        "members" in record,
    )


def unique_of(row: dict[str, Any]) -> int | None:
    """Return how many different viewers a session or a record has; None: nobody has a name."""
    return int(row["unique"]) if "unique" in row else None


def shown(
    id_: str, record: dict[str, Any], next_at: float | None, settled_at: float | None
) -> Record:
    """Return a record of the ledger as it is shown."""
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
        started_at=record["started"] / 1000,
        duration=max(0, record["due"] - record["started"]) / 1000,
        peak=int(record["peak"]),
        unique_viewers=unique_of(record),
    )
