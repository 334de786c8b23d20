"""The store in Redis: each method one Lua script, which alone sees the raw reply.

Works with Redis 6.2 on and with Valkey.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

from redis import Redis

from ..errors import StoreError
from ..event import EventStatus
from .base import (
    Change,
    Ended,
    Heartbeat,
    Held,
    Kept,
    Look,
    Over,
    Report,
)
from .bounds import (
    NEWEST,
    OVER_MS,
    OVERDUE_MS,
    QUIET_MS,
    RINGING_MS,
    SENDING_MS,
    SHARED_MAX,
    UNHEARD_MS,
)
from .redis_facts import RedisFacts
from .redis_guests import RedisGuests, reported
from .redis_overview import RedisOverview, status_of
from .scripts import answering, text
from .totals import OWED, SETTLED, Busy, Exemplar, Totals


class RedisStore(RedisFacts, RedisGuests, RedisOverview):
    """The store of one namespace in one Redis.

    :param redis: a client; RQ needs one that does not decode replies, and so does this.
    :param namespace: the prefix of every key.
    :param by_viewers: whether an event has ended that its viewers left.
    """

    def __init__(self, redis: Redis, namespace: str, by_viewers: bool = True) -> None:
        super().__init__(redis, namespace)
        k = self.keys
        self._by_viewers = by_viewers
        self._owed = [k.pending, k.sending, k.retrying]

    def report(
        self,
        holder: str,
        seq: int,
        lease: int,
        held: Mapping[str, Held],
        full: bool,
        knew: str = "",
        quiet: int = QUIET_MS,
        heard: int | None = None,
    ) -> Report:
        k, named = self.keys, {event: h.names for event, h in held.items() if h.names}
        entries = {
            event: [
                *(h.count, h.session, h.delay, h.most, h.age, h.peak, h.left, h.unsure, h.ago),
                *filter(None, [h.trace]),
            ]
            for event, h in held.items()
        }
        state, now, *said = self._run(
            "report",
            [*self._presence, k.held(holder), k.viewers, k.scratch],
            *(holder, seq, lease, int(full), json.dumps(entries), knew, quiet),
            *("" if heard is None else heard, json.dumps(named)),
        )
        if text(state) == "unknown":
            return Report(int(now), known=False, epoch=text(said[0]))
        # As one text: a reply of many parts is read line by line, which costs as much as all else.
        return Report(int(now), tuple(map(reported, json.loads(said[0]))) if said else ())

    def heartbeat(
        self, holder: str, lease: int, since: int, knew: str = "", quiet: int = QUIET_MS
    ) -> Heartbeat:
        k = self.keys
        known, now, epoch, clients, lapsed, over, shared, expired, ring, watch = self._run(
            "heartbeat",
            [*self._presence, k.open, k.expiry, k.ringing],
            *(holder, lease, since, knew, quiet, UNHEARD_MS, RINGING_MS),
        )
        ended = (text(member).split(" ") for member in over[::2])
        return Heartbeat(
            known=bool(known),
            now=int(now),
            epoch=text(epoch),
            clients=int(clients),
            lapsed=tuple(map(text, lapsed)),
            over=tuple(
                Over(event, session, Change(how), int(at))
                for (event, session, how), at in zip(ended, over[1::2], strict=True)
            ),
            shared=tuple(map(text, shared)) if len(shared) < SHARED_MAX else None,
            expired=tuple(map(text, expired)),
            ring=bool(ring),
            watch={1: True, -1: False}.get(int(watch)),
        )

    def reap(self, holder: str, goodbye: bool = False) -> Report:
        now, *rows = self._run(
            "reap", [*self._presence, self.keys.held(holder)], holder, int(goodbye)
        )
        return Report(int(now), tuple(map(reported, rows)))

    def schedule(self, event_id: str, session: str, delay: int, trace: str = "") -> Report:
        now, row = self._run("schedule", self._presence[:5], event_id, session, delay, trace)
        return Report(int(now), (reported(row),))

    def finish(
        self, event_id: str, change: Change, trace: str = "", when_due: bool = False
    ) -> Ended | None:
        k = self.keys
        guests = [k.guests(event_id), k.expiry, k.stragglers(event_id), k.viewers]
        guests.append(k.publishers(event_id))
        while True:
            with answering():
                holders = cast(list[Any], self.redis.zrange(k.holders, 0, -1))
            held = [k.held(text(holder)) for holder in (k.GUESTS, *holders)]
            row = self._run(
                "finish",
                [*self._presence, k.open, k.pending, *guests, *held],
                *(event_id, change.value, OVER_MS, trace, int(when_due)),
            )
            if len(row) != 1:
                return _ended(row) if row else None

    def look(self, due: int | None, quiet: int = 0) -> Look:
        now, ready, waiting, paused, epoch = self._run(
            "look", [*self._presence, self.keys.open], "" if due is None else due, quiet
        )
        return Look(int(now), int(ready), bool(waiting), int(paused), text(epoch))

    def claim(self, limit: int) -> list[Ended]:
        k = self.keys
        ended, stopped = self._run(
            "claim",
            [*self._presence, k.open, k.pending, k.viewers],
            limit,
            int(not self._by_viewers),
        )
        ends = [*map(_ended, ended)]
        with suppress(StoreError):  # those that are decided are not to be lost by the others
            for event in stopped:
                # One by one: what every process holds of it is to be removed.
                end = self.finish(text(event), Change.STOPPED, when_due=True)
                ends += [] if end is None else [end]
        return ends

    def put_back(
        self, holder: str, kept: Sequence[Kept], seq: int = NEWEST, said: int | None = None
    ) -> int:
        k = self.keys
        rows = [
            [
                *(e.event_id, e.session, e.age, e.peak, e.clients, e.left),
                *(e.state, e.channel, e.error, e.attempts, e.trace),
                -1 if e.unique_viewers is None else e.unique_viewers,
                *(e.delivery, e.cause),
            ]
            for e in kept
        ]
        return int(
            self._run(
                "put_back",
                [*self._presence, k.open, *self._owed, k.closed, k.held(holder), k.viewers],
                *(holder, SENDING_MS, json.dumps(rows), seq, "" if said is None else said),
            )
        )

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
        return [status_of(*row) for row in zip(ids, sessions, clients, dues, strict=True)]

    def event_ids(self) -> Iterator[str]:
        seen: set[str] = set()
        with answering():
            for event, _ in self.redis.hscan_iter(self.keys.sessions, count=500):
                # A scan may name one twice while the hash grows.
                if (name := text(event)) not in seen:
                    seen.add(name)
                    yield name

    def totals(self, busiest: int) -> Totals:
        k = self.keys
        raw = self._run(
            "totals", [*self._presence, *self._owed, k.problems, k.exemplars], busiest, OVERDUE_MS
        )
        now, processes, sessions, ending, overdue, oldest, owed = raw[:7]
        stats, top, dues, met, shown, gap, hold, swept = raw[7:]
        counters = {name: int(value) for name, value in _pairs(stats)}
        deliveries = dict(zip(OWED, map(int, owed), strict=True))
        deliveries |= {state: counters.pop(f"deliveries|{state}", 0) for state in SETTLED}
        return Totals(
            now=int(now),
            processes=int(processes),
            clients=counters.pop("clients", 0),
            live=int(sessions) - int(ending),
            ending=int(ending),
            overdue_by=dict(zip(OWED, map(int, overdue), strict=True)),
            oldest=(int(now) - int(oldest)) / 1000 if oldest else 0.0,
            deliveries=deliveries,
            counters=counters,
            problems={code: float(at) for code, at in _pairs(met)},
            busiest=tuple(
                Busy(event, int(count), int(due) / 1000 if due else None)
                for (event, count), due in zip(_pairs(top), dues, strict=True)
            ),
            exemplars={name: _exemplar(json.loads(packed)) for name, packed in _pairs(shown)},
            gap=int(gap),
            hold=int(hold),
            swept=int(swept) / 1000,
        )


def _pairs(flat: list[Any]) -> Iterator[tuple[str, str]]:
    return zip(map(text, flat[::2]), map(text, flat[1::2]), strict=True)


def _exemplar(row: dict[str, Any]) -> Exemplar:
    return Exemplar(row["event"], row["trace"], row["late"] / 1000, row["at"] / 1000)


def _ended(row: list[Any]) -> Ended:
    event, session, due, started, peak, clients, trace, unique = row
    return Ended(
        *(text(event), text(session), int(due), int(started), int(peak), int(clients)),
        trace=text(trace),
        unique_viewers=None if int(unique) < 0 else int(unique),
    )
