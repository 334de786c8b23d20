"""Deliveries in Redis: leases, attempts, outcomes, and a ledger that stays bounded."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import Redis

from flask_streamend.store import redis as redis_presence
from flask_streamend.store import redis_ledger as redis_store
from flask_streamend.store.base import Outcome
from flask_streamend.store.histograms import HISTOGRAMS
from flask_streamend.store.redis import RedisStore

from .apps.store import LEASE, end, pooled, take, texts
from .servers import eventually


@pytest.fixture
def store(redis: Redis) -> RedisStore:
    """Return a store in an empty Redis."""
    return RedisStore(redis, "test")


def record(store: RedisStore, delivery: str) -> dict[str, Any]:
    """Return a delivery's record in the ledger."""
    packed = store.redis.hget(store.keys.ledger, delivery)
    assert isinstance(packed, bytes)
    found: dict[str, Any] = json.loads(packed)
    return found


def settle(store: RedisStore, outcome: Outcome, error: str = "", retry: int = 0) -> tuple[str, int]:
    """Take one delivery, attempt and settle it; return its id and how late it was."""
    delivery = take(store, "me").id
    assert store.sending(delivery, "me", LEASE)
    return delivery, store.settle(delivery, "me", "email", outcome, error, retry)


def test_a_delivery_is_leased(store: RedisStore) -> None:
    """What one took another does not get, until the lease has lapsed."""
    (session,) = end(store, "jam")
    mine = take(store, "one", lease=200)
    assert (mine.id, mine.event_id, mine.session, mine.attempts) == (session, "jam", session, 0)
    assert store.take("two", LEASE, 10) == []
    again = take(store, "two")
    assert again == mine


def test_many_takers_get_each_delivery_once(redis_url: str) -> None:
    """Twenty threads that take at once share out 100 deliveries, each to one of them."""
    client = pooled(redis_url)
    store = RedisStore(client, "test")
    made = end(store, *(f"jam{number}" for number in range(100)))

    def taken(owner: int) -> list[str]:
        found: list[str] = []
        while rows := store.take(str(owner), LEASE, 3):
            found += [row.id for row in rows]
        return found

    with ThreadPoolExecutor(20) as threads:
        everything = [id_ for ids in threads.map(taken, range(20)) for id_ in ids]
    assert sorted(everything) == sorted(made)
    client.close()


def test_a_lost_lease_may_not_send(store: RedisStore) -> None:
    """Who lost the lease, to time or to another, is told not to send, and can't settle."""
    end(store, "jam")
    delivery = take(store, "slow", lease=1).id
    eventually(lambda: not store.sending(delivery, "slow", 1), "the lease lapsed")
    take(store, "quick")
    assert not store.sending(delivery, "slow", LEASE)
    assert store.settle(delivery, "slow", "email", Outcome.SENT, "", 0) == -1
    assert store.sending(delivery, "quick", LEASE)
    assert "notifications|email|sent" not in store.totals(0).counters


def test_a_lease_is_extended_for_who_has_it(store: RedisStore) -> None:
    """By its owner, of what is there, and never to an earlier instant."""
    (session,) = end(store, "jam")
    take(store, "me")
    (before,) = store.records(10)
    store.extend("me", [session, "nothing"], LEASE // 2)
    store.extend("another", [session], 2 * LEASE)
    assert store.records(10) == [before]
    store.extend("me", [session], 2 * LEASE)
    (after,) = store.records(10)
    assert after.next_at is not None
    assert before.next_at is not None
    assert after.next_at >= before.next_at + LEASE / 1000
    # While it is sent its lease is to lapse, should its sender hang.
    assert store.sending(session, "me", LEASE)
    (sent,) = store.records(10)
    store.extend("me", [session], 2 * LEASE)
    assert store.records(10) == [sent]


def test_what_was_never_there_is_refused(store: RedisStore) -> None:
    """A delivery the ledger does not have can't be sent or settled."""
    assert not store.sending("nothing", "me", LEASE)
    assert store.settle("nothing", "me", "email", Outcome.SENT, "", 0) == -1


def test_sent_is_counted_with_its_latency(store: RedisStore) -> None:
    """An accepted notice is closed, counted once, and its latency stands in one bucket."""
    end(store, "jam")
    delivery, late = settle(store, Outcome.SENT)
    counters = store.totals(0).counters
    bucket = next(bound for bound in HISTOGRAMS["notification_latency"] if late <= bound)
    latency = {key: n for key, n in counters.items() if key.startswith("notification_latency|")}
    assert latency == {
        f"notification_latency|email|{bucket}": 1,
        "notification_latency|email|count": 1,
        "notification_latency|email|sum": late,
    }
    assert counters["notifications|email|sent"] == 1
    found = record(store, delivery)
    assert (found["state"], found["attempts"], found["channel"]) == ("sent", 1, "email")
    assert "owner" not in found
    assert store.next_try() is None
    assert store.take("other", LEASE, 10) == []
    assert store.settle(delivery, "me", "email", Outcome.SENT, "", 0) == -1


@pytest.mark.parametrize("outcome", [Outcome.SKIPPED, Outcome.DEAD])
def test_a_final_outcome_closes_and_counts(store: RedisStore, outcome: Outcome) -> None:
    """A skipped or dead notice is closed with its reason and counted, and has no latency."""
    end(store, "jam")
    delivery, late = settle(store, outcome, "no_address")
    assert late >= 0
    totals = store.totals(0)
    counted = {key for key in totals.counters if key.startswith("notif")}
    assert counted == {f"notifications|email|{outcome.value}"}
    assert totals.dead == (1 if outcome is Outcome.DEAD else 0)
    found = record(store, delivery)
    assert (found["state"], found["error"]) == (outcome.value, "no_address")
    assert store.take("other", LEASE, 10) == []


def test_a_failed_attempt_comes_up_again(store: RedisStore) -> None:
    """A failed notice is counted, and is given out again after its wait and not before."""
    end(store, "jam")
    delivery, _ = settle(store, Outcome.FAILED, "451 later", retry=300)
    assert store.take("other", LEASE, 10) == []
    assert 0 < (store.next_try() or 0) <= 300
    assert record(store, delivery)["state"] == "retrying"
    again = take(store, "other")
    assert (again.id, again.attempts) == (delivery, 1)
    assert store.totals(0).counters["notifications|email|failed"] == 1


def test_a_postponed_one_counts_as_no_attempt(store: RedisStore) -> None:
    """What could not be tried is given out again with no attempt and no count made of it."""
    end(store, "jam")
    delivery = take(store, "me").id
    assert store.settle(delivery, "me", "email", Outcome.POSTPONED, "loader", 1) >= 0
    assert record(store, delivery)["state"] == "pending"
    again = take(store, "other")
    assert (again.id, again.attempts) == (delivery, 0)
    assert not [key for key in store.totals(0).counters if key.startswith("notif")]


def test_an_attempt_of_unknown_outcome_counts_as_repeated(store: RedisStore) -> None:
    """Where the last sender never said how it went, a success is also counted as repeated."""
    end(store, "jam")

    def begin() -> str:
        taken = store.take("dies", 500, 1)
        return taken[0].id if taken and store.sending(taken[0].id, "dies", 1) else ""

    lost = eventually(begin, "an attempt begins")
    eventually(lambda: store.take("next", LEASE, 1), "the lease lapsed")
    assert store.sending(lost, "next", LEASE)
    assert store.settle(lost, "next", "email", Outcome.SENT, "", 0) >= 0
    counters = store.totals(0).counters
    assert (counters["notifications|email|sent"], counters["notifications|email|repeated"]) == (
        1,
        1,
    )


def test_the_ledger_is_bounded_in_number(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of settled deliveries the newest are kept, and a dead one that goes is no longer counted."""
    monkeypatch.setattr(redis_store, "KEEP_COUNT", 3)
    made = []
    for number in range(8):
        end(store, f"jam{number}")
        made.append(settle(store, Outcome.DEAD if number < 2 else Outcome.SENT)[0])
    kept = texts(store.redis.hkeys(store.keys.ledger))
    assert len(kept) == store.redis.zcard(store.keys.closed) == 3
    assert made[-1] in kept
    assert kept <= set(made[-4:])
    totals = store.totals(0)
    assert totals.dead == 0
    assert totals.counters["notifications|email|dead"] == 2
    assert totals.counters["notifications|email|sent"] == 6


def test_the_ledger_is_bounded_in_age(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was settled longer ago than records are kept goes at the next settlement."""
    end(store, "old", "new")
    first, _ = settle(store, Outcome.SENT)
    monkeypatch.setattr(redis_store, "KEEP_MS", 0)
    start = store.look(None).now
    eventually(lambda: store.look(None).now > start, "a millisecond passed")
    second, _ = settle(store, Outcome.SENT)
    assert first != second
    assert not store.redis.hexists(store.keys.ledger, first)


def test_open_deliveries_are_never_dropped(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger's bounds are for what is settled: what is owed stays however many there are."""
    monkeypatch.setattr(redis_store, "KEEP_COUNT", 1)
    made = end(store, *(f"jam{number}" for number in range(6)))
    for _ in range(3):
        settle(store, Outcome.SENT)
    closed = texts(store.redis.zrange(store.keys.closed, 0, -1))
    opened = texts(store.redis.zrange(store.keys.open, 0, -1))
    kept = texts(store.redis.hkeys(store.keys.ledger))
    assert len(opened) == 3
    assert len(closed) == 1
    assert kept == opened | closed
    assert kept <= set(made)


def test_overdue_is_what_is_owed_too_long(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ends not claimed and deliveries not settled count as overdue; settled ones do not."""
    end(store, "jam")
    assert store.totals(0).overdue == 0
    monkeypatch.setattr(redis_presence, "OVERDUE_MS", 0)
    assert store.totals(0).overdue == 1
    settle(store, Outcome.SENT)
    assert store.totals(0).overdue == 0
