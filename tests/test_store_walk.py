"""Both stores, given the same five hundred acts at random, give the same answers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import count
from typing import Any

import pytest
from redis import Redis

from flask_streamend.store.base import Change, Held, Kept, Outcome, Report
from flask_streamend.store.interface import Store
from flask_streamend.store.memory import MemoryStore
from flask_streamend.store.redis import RedisStore

from .apps.store import clock, pooled

ACTS = 500
FAR = 10**9
EVENTS = [f"jam{number}" for number in range(5)]
HOLDERS = ["a", "b", "c"]
#: Times that differ between two stores by the moment of the call.
INSTANTS = {"now", "due", "started", "due_at", "started_at", "next_at", "settled_at"}

#: Histograms of times, which differ likewise.
TIMED = ("notification_latency", "event_duration")

Act = Callable[[Store], Any]


def plain(answer: Any) -> Any:
    """Return an answer with its instants as whether there is one, and rows in a fixed order."""
    if isinstance(answer, Report):
        rows = sorted((plain(row) for row in answer.events), key=lambda row: str(row["event_id"]))
        return answer.known, rows, answer.came, answer.went
    if isinstance(answer, (list, tuple)):
        return sorted((plain(item) for item in answer), key=str)
    if hasattr(answer, "__dataclass_fields__"):
        row = {name: plain(getattr(answer, name)) for name in answer.__dataclass_fields__}
        return {
            name: value is not None if name in INSTANTS else value for name, value in row.items()
        }
    return answer


class Walk:
    """Acts at random, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._names = count()
        self._seqs = dict.fromkeys(HOLDERS, 0)
        self._taken: list[tuple[str, str]] = []

    def act(self, store: Store) -> tuple[str, Act]:
        """Return the next act; ``store`` is one to look at, which the act is not done to."""
        choose = self.random.choice
        kind = choose(
            ["report"] * 8
            + ["guest"] * 4
            + ["claim", "take", "settle", "settle"] * 2
            + ["schedule", "stop", "purge", "reap", "heartbeat", "put_back", "put_back", "owed"]
        )
        return kind, getattr(self, f"_{kind}")(store)

    def _delay(self) -> int:
        return self.random.choice([0, 0, FAR])

    def _report(self, store: Store) -> Act:
        holder = self.random.choice(HOLDERS)
        self._seqs[holder] = max(0, self._seqs[holder] + self.random.choice([1, 1, 1, 1, 0, -1]))
        seq, lease = self._seqs[holder], self.random.choice([1, FAR, FAR])
        held = {}
        for event in self.random.sample(EVENTS, self.random.randint(0, 3)):
            viewers = self.random.choice([0, 0, 1, 2])
            # What a process would name: the session it was told, else one of its own.
            known = store.status([event])[0].session
            session = self.random.choice([known, None]) or f"s{next(self._names)}"
            most = self.random.choice([0, 0, 3, -1])
            held[event] = Held(viewers, session, self.random.choice([-1, self._delay()]), most)
            if known is None:
                held[event] = Held(viewers, session, self._delay(), most)
        full = self.random.random() < 0.3
        return lambda s: s.report(holder, seq, lease, held, full)

    def _guest(self, store: Store) -> Act:
        act = self.random.choice(["join", "seen", "seen", "leave", "expire"])
        event, name = self.random.choice(EVENTS), self.random.choice(["ann", "bob"])
        ttl, session = self.random.choice([1, FAR]), f"s{next(self._names)}"
        delay = -1 if act == "expire" else self._delay()
        return lambda s: s.guest(act, event, name, ttl, session, delay)  # type: ignore[arg-type]

    def _schedule(self, store: Store) -> Act:
        event, session, delay = self.random.choice(EVENTS), f"s{next(self._names)}", self._delay()
        return lambda s: s.schedule(event, session, delay)

    def _stop(self, store: Store) -> Act:
        event = self.random.choice(EVENTS)
        return lambda s: s.finish(event, Change.STOPPED)

    def _purge(self, store: Store) -> Act:
        event = self.random.choice(EVENTS)
        return lambda s: s.finish(event, Change.PURGED)

    def _reap(self, store: Store) -> Act:
        holder, goodbye = self.random.choice(HOLDERS), self.random.random() < 0.3
        return lambda s: s.reap(holder, goodbye)

    def _heartbeat(self, store: Store) -> Act:
        holder, lease = self.random.choice(["", *HOLDERS]), self.random.choice([1, FAR])

        def beat(s: Store) -> Any:
            answer = asdict(s.heartbeat(holder, lease, 0))
            # Who is asked to ring depends on seconds, which this walk does not last.
            hidden = {"now", "ring", "epoch"}
            return {name: plain(answer[name]) for name in sorted(set(answer) - hidden)}

        return beat

    def _put_back(self, store: Store) -> Act:
        state = self.random.choice(["ending"] * 4 + ["pending", "sending", "sent", "dead"])
        event = self.random.choice(EVENTS)
        known = store.status([event])[0].session
        told = [row.session for row in store.records(100) if row.event_id == event]
        session = self.random.choice([known, known, *told[:1], None]) or f"s{next(self._names)}"
        left = self.random.choice([-1000, -1, FAR]) if state == "ending" else -1
        end = Kept(
            event, session, 2000, left, self.random.choice([0, 3]), 0, state, "email", "e", 1
        )
        holder = self.random.choice(HOLDERS)
        return lambda s: s.put_back(holder, [end])

    def _owed(self, store: Store) -> Act:
        known = [(status.event_id, status.session or "") for status in store.status(EVENTS)]
        known += [(row.event_id, row.session) for row in store.records(100)]
        return lambda s: s.still_owed(known)

    def _claim(self, store: Store) -> Act:
        return lambda s: s.claim(100)

    def _take(self, store: Store) -> Act:
        owner, lease = self.random.choice("xy"), self.random.choice([1, FAR])
        self._taken += [(row.id, owner) for row in store.records(100)]
        return lambda s: s.take(owner, lease, 100)

    def _settle(self, store: Store) -> Act:
        if not self._taken:
            return lambda s: None
        delivery, owner = self.random.choice(self._taken)
        outcome, retry = self.random.choice(list(Outcome)), self.random.choice([0, FAR])
        lease, error = self.random.choice([1, FAR]), f"e{next(self._names)}"
        send = self.random.random() < 0.7

        def settle(s: Store) -> Any:
            sending = send and s.sending(delivery, owner, lease)
            return sending, s.settle(delivery, owner, "email", outcome, error, retry) >= 0

        return settle


def sight(store: Store) -> dict[str, Any]:
    """Return all that can be seen of a store, and check that it agrees with itself."""
    ids = sorted(store.event_ids())
    statuses, totals = store.status(EVENTS), store.totals(100)
    watched = [status for status in statuses if status.state != "idle"]
    assert ids == [status.event_id for status in watched]
    assert totals.clients == sum(status.clients for status in watched)
    assert totals.live == sum(status.state == "live" for status in watched)
    assert totals.ending == sum(status.state == "ending" for status in watched)
    assert {busy.event_id: busy.clients for busy in totals.busiest} == {
        status.event_id: status.clients for status in watched
    }
    assert (totals.sessions_unaccounted, totals.deliveries_unaccounted) == (0, 0)
    begun, ended, purged = (
        totals.counters.get(f"sessions_{what}", 0) for what in ("begun", "ended", "purged")
    )
    assert begun == len(watched) + ended + purged
    counters = totals.counters.items()
    return {
        "statuses": [plain(status) for status in statuses],
        "busiest": [(busy.event_id, busy.clients, busy.due_at is None) for busy in totals.busiest],
        "deliveries": totals.deliveries,
        "processes": totals.processes,
        "counters": {
            k: v
            for k, v in counters
            if v and not k.startswith(("notification_latency", "event_duration"))
        },
        "records": plain(store.records(1000)),
        "overview": plain(store.overview(100, 1000)),
        "ready": store.look(None).ready,
        "next": store.next_try() in (None, 0) or store.next_try(),
    }


class Memory(MemoryStore):
    """A store in memory whose time is Redis's, and stands still during an act, as a script's."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.instant = 0.0
        self.move()
        super().__init__(lambda: self.instant)

    def move(self) -> None:
        """Move on to the present."""
        self.instant = clock(self._redis) / 1000


@pytest.fixture
def pair(redis_url: str) -> Iterator[tuple[RedisStore, Memory]]:
    """Return both stores, on one clock."""
    client = pooled(redis_url)
    yield RedisStore(client, "walk"), Memory(client)
    client.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_both_stores_give_the_same_answers(pair: tuple[RedisStore, Memory], seed: int) -> None:
    """After each of 500 acts both answer alike, look alike, and agree with themselves."""
    there, here = pair
    walk = Walk(seed)
    done = []
    for _ in range(ACTS):
        kind, act = walk.act(there)
        done.append(kind)
        here.move()
        answers = plain(act(there)), plain(act(here))
        assert answers[0] == answers[1], f"{kind}, act {len(done)} of seed {seed}"
        # So that what falls due at once is due in both.
        moved = there.look(None).now + 2
        while here.look(None).now <= moved:
            here.move()
        sights = [sight(store) for store in pair]
        for one in sights:
            one["next"] = one["next"] if isinstance(one["next"], bool) else "later"
        assert sights[0] == sights[1], f"{kind}, act {len(done)} of seed {seed}"
    assert len(set(done)) == 12
