"""Unique viewers, in both stores: counted by name, kept as a number and nothing else."""

from __future__ import annotations

import hashlib

import pytest
from redis import Redis

from flask_streamend.store.base import Change, Ended, Held, Kept
from flask_streamend.store.interface import Store
from flask_streamend.store.redis import RedisStore
from flask_streamend.store.sketch import KEPT, Sketch

from .apps.store import LEASE, Web, take
from .servers import eventually


def hashed(*names: object) -> tuple[str, ...]:
    """Return names as a process reports them."""
    return tuple(hashlib.sha256(str(name).encode()).hexdigest()[:24] for name in names)


class Named(Web):
    """A web process whose viewers have names."""

    def came(self, event: str, *names: object, count: int = 1, session: str = "s1") -> None:
        """Report viewers who came, by name."""
        self.seq += 1
        held = {event: Held(count, session, self.delay, names=hashed(*names))}
        self.store.report(self.holder, self.seq, LEASE, held, self.seq == 1)


def unique(store: Store, event: str) -> int | None:
    """Return an event's unique viewers so far."""
    return store.status([event])[0].unique_viewers


def claimed(store: Store) -> list[Ended]:
    """Wait for ends and return them."""
    return eventually(lambda: store.claim(10), "an end")


def test_each_is_counted_once(any_store: Store) -> None:
    """Over processes, returns and repeats each viewer counts once; of nobody with a name none."""
    one, two = Named(any_store, "a"), Named(any_store, "b")
    one.came("jam")
    assert unique(any_store, "jam") is None
    one.came("jam", "ann", "ben", count=2)
    two.came("jam", "ben", "cem")
    one.came("jam", "ann", count=2)
    assert unique(any_store, "jam") == 3
    assert any_store.overview(5, 5).live[0].unique_viewers == 3


def test_the_number_is_in_the_end_and_in_the_ledger(any_store: Store) -> None:
    """The end, its delivery and its record have start, duration, peak and unique viewers."""
    web = Named(any_store, "a")
    web.came("jam", "ann", "ben", count=2)
    web.came("jam", "cem", count=0)
    (ended,) = claimed(any_store)
    assert (ended.peak, ended.unique_viewers) == (2, 3)
    what = ended.what()
    assert what["started_at"] == ended.started / 1000
    assert what["duration"] == (ended.due - ended.started) / 1000
    assert (what["peak"], what["unique_viewers"]) == (2, 3)
    (record,) = any_store.records(5)
    assert (record.peak, record.unique_viewers) == (2, 3)
    assert record.started_at == ended.started / 1000
    assert record.duration == (ended.due - ended.started) / 1000
    delivery = take(any_store, "me")
    assert (delivery.started, delivery.peak, delivery.unique_viewers) == (ended.started, 2, 3)


def test_another_session_begins_anew(any_store: Store) -> None:
    """What one session counted is nothing to the next one, however the first was over."""
    web = Named(any_store, "a")
    web.came("jam", "ann", "ben", count=2)
    web.came("jam", count=0)
    claimed(any_store)
    web.came("jam", "ann", session="s2")
    assert unique(any_store, "jam") == 1
    for number, change in enumerate((Change.STOPPED, Change.PURGED)):
        web.came("jam", "cem", "dan", session=f"s{number + 2}")
        ended = any_store.finish("jam", change)
        assert ended is not None
        assert ended.unique_viewers == 3
        web.came("jam", "ann", session=f"s{number + 3}")
        assert unique(any_store, "jam") == 1


def test_a_return_within_the_grace_goes_on_counting(any_store: Store) -> None:
    """A session that was resumed is the same, with all who were there."""
    web = Named(any_store, "a", 60_000)
    web.came("jam", "ann")
    web.came("jam", count=0)
    assert unique(any_store, "jam") == 1
    web.came("jam", "ann", "ben")
    assert unique(any_store, "jam") == 2


def test_guests_have_names(any_store: Store) -> None:
    """Viewers by name whom no process holds count with those of sockets, each once."""
    (ann, ben) = hashed("ann", "ben")
    Named(any_store, "a").came("jam", "ann")
    for guest in (ann, ben, ben):
        any_store.guest("seen", "jam", guest, 60_000, "s2", 0)
    assert unique(any_store, "jam") == 2
    any_store.guest("leave", "jam", ben, 0, "s2", 0)
    any_store.guest("join", "jam", ben, 60_000, "s2", 0)
    assert unique(any_store, "jam") == 2


def test_who_came_after_the_end_is_not_of_it(any_store: Store) -> None:
    """A report of a session that was stopped meanwhile counts nobody."""
    web = Named(any_store, "a")
    web.came("jam", "ann")
    any_store.finish("jam", Change.STOPPED)
    web.came("jam", "ben")
    assert unique(any_store, "jam") is None
    assert any_store.records(5)[0].unique_viewers == 1


@pytest.mark.parametrize("number", [1_000, 20_000])
def test_many_are_estimated_within_bounds(any_store: Store, number: int) -> None:
    """Many are told within 5 %, which is three standard errors of the rougher estimate."""
    web = Named(any_store, "a")
    for begin in range(0, number, 1000):
        web.came("jam", *range(begin, begin + 1000), count=1)
    assert unique(any_store, "jam") == pytest.approx(number, rel=0.05)


def test_what_a_process_told_by_itself_is_put_back(any_store: Store) -> None:
    """An end that was told, or is pending, comes with its number; the greater one counts."""
    told = Kept("jam", "s1", age=9000, left=-1000, peak=2, state="sent", unique_viewers=7)
    assert any_store.put_back("a", [told]) == 1
    assert any_store.records(5)[0].unique_viewers == 7
    pending = Kept("gig", "s2", age=9000, left=60_000, peak=2, unique_viewers=5)
    assert any_store.put_back("a", [pending]) == 1
    assert unique(any_store, "gig") == 5
    web = Named(any_store, "b", 60_000)
    web.came("gig", "ann", session="s2")
    assert unique(any_store, "gig") == 5
    web.came("gig", *range(8), session="s2")
    assert unique(any_store, "gig") == 9
    any_store.put_back("c", [pending])
    assert unique(any_store, "gig") == 9


def test_a_told_session_takes_its_number_with_it(any_store: Store) -> None:
    """Where another process told an end that goes on elsewhere, that session begins to count."""
    web = Named(any_store, "a")
    web.came("jam", "ann", "ben", count=2)
    told = Kept("jam", "s1", age=9000, left=-1000, peak=1, state="sent", unique_viewers=1)
    assert any_store.put_back("b", [told]) == 1
    assert any_store.records(5)[0].unique_viewers == 2
    assert unique(any_store, "jam") is None


def test_a_session_that_came_between_begins_to_count(any_store: Store) -> None:
    """Of two sessions, one after the other, neither has the other's viewers."""
    web = Named(any_store, "a")
    web.came("jam", "ann", "ben", session="s1")
    web.came("jam", count=0, session="s1")
    due = any_store.status(["jam"])[0].due_at
    assert due is not None
    eventually(lambda: any_store.look(None).now > due * 1000 + 50, "the store's clock moved")
    later = Kept("jam", "s2", age=1, left=60_000, peak=1, unique_viewers=1)
    assert any_store.put_back("a", [later]) == 1
    assert unique(any_store, "jam") == 1
    assert {record.session: record.unique_viewers for record in any_store.records(5)} == {"s1": 2}


def test_nothing_is_kept_of_who_they_were(redis: Redis) -> None:
    """In Redis a sketch is there while the session is, and a session without names has none."""
    store = RedisStore(redis, "test")
    web = Named(store, "a")
    web.came("jam", "ann", "ben")
    web.came("gig")
    assert redis.hkeys(store.keys.viewers) == [b"jam"]
    assert not redis.exists(store.keys.scratch)
    (name,) = hashed("ann")
    assert all(name not in str(sketch) for sketch in redis.hvals(store.keys.viewers))
    web.came("jam", count=0)
    claimed(store)
    assert not redis.exists(store.keys.viewers)


def test_a_sketch_that_is_none_stops_no_report(redis: Redis) -> None:
    """Whatever lies in a sketch's place, viewers are counted, and another sketch begins."""
    store = RedisStore(redis, "test")
    web = Named(store, "a")
    web.came("jam", "ann", "ben")
    redis.hset(store.keys.viewers, "jam", "rubbish")
    web.came("jam", "cem", count=3)
    assert store.status(["jam"])[0].clients == 3
    web.came("jam", "dan", count=4)
    assert unique(store, "jam") == 2


def test_a_sketch_is_bounded_and_exact_for_few() -> None:
    """It keeps so many hashes and no more; as far as that the number is exact."""
    sketch = Sketch()
    for n in range(KEPT):
        sketch.add(str(n))
        sketch.add(str(n // 2))
    assert sketch.count() == KEPT
    for n in range(100_000):
        sketch.add(str(n))
    assert len(sketch._hashes) < 2 * KEPT
    assert sketch.count() == pytest.approx(100_000, rel=0.05)
