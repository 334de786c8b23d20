"""What processes say of themselves, and canaries' sealed events, in both stores."""

from __future__ import annotations

from redis import Redis

from flask_streamend.store.bounds import PROCESSES_MAX
from flask_streamend.store.interface import Store
from flask_streamend.store.introduced import Introduced
from flask_streamend.store.redis import RedisStore

from .apps.store import LEASE, Web
from .servers import eventually

HOUR = 3_600_000


def told(store: Store) -> dict[str, str]:
    """Return what is known of each process."""
    return {one.who: one.facts for one in store.introduced()}


def test_a_web_process_is_known_with_what_it_said_and_holds(any_store: Store) -> None:
    """A process with a lease is there with its viewers, before and after it says what it is."""
    Web(any_store, "a1").send({"jam": 2, "gig": 3})
    assert any_store.introduced() == [Introduced("a1", "", 5)]
    assert any_store.introduce("a1", "{a process}", HOUR) == 1
    assert any_store.introduced() == [Introduced("a1", "{a process}", 5)]
    any_store.introduce("a1", "{the same}", HOUR)
    assert told(any_store) == {"a1": "{the same}"}


def test_a_process_that_is_gone_is_forgotten_with_its_word(any_store: Store) -> None:
    """Who said goodbye is not there any more, and the next who introduces itself cleans up."""
    for who in ("a1", "b2"):
        Web(any_store, who).send({})
        any_store.introduce(who, f"{{{who}}}", HOUR)
    any_store.reap("a1", goodbye=True)
    assert told(any_store) == {"b2": "{b2}"}
    assert any_store.introduce("b2", "{b2}", HOUR) == 1, "only one is kept"


def test_a_process_whose_lease_lapsed_is_not_there(any_store: Store) -> None:
    """A process that was killed is not named, even before anybody reaped it."""
    Web(any_store, "a1").send({"jam": 1})
    any_store.introduce("a1", "{a1}", HOUR)
    any_store.heartbeat("a1", 1, 0)
    eventually(lambda: not any_store.introduced(), "it is not there")


def test_a_worker_is_known_until_it_says_otherwise(any_store: Store) -> None:
    """A worker has no lease: its word is kept for a time, or until it is gone."""
    any_store.introduce("worker:w1", "{w1}", HOUR)
    any_store.introduce("worker:w2", "{w2}", 1)
    eventually(lambda: len(any_store.introduced()) == 1, "w2's time is up")
    (worker,) = any_store.introduced()
    assert worker == Introduced("worker:w1", "{w1}")
    assert worker.worker
    any_store.introduce("worker:w1", "", 0)
    assert any_store.introduced() == []


def test_the_number_of_processes_is_bounded(any_store: Store) -> None:
    """However many introduce themselves, so many are kept: those who said so last."""
    for number in range(PROCESSES_MAX + 5):
        kept = any_store.introduce(f"worker:{number}", "{}", HOUR + 1000 * number)
    assert kept == PROCESSES_MAX
    assert set(told(any_store)) == {f"worker:{n}" for n in range(5, PROCESSES_MAX + 5)}


def test_a_report_and_a_beat_write_nothing_of_it(any_store: Store) -> None:
    """What a process said stays as it is, whatever it reports and however often it beats."""
    web = Web(any_store, "a1")
    web.send({})
    any_store.introduce("a1", "{a1}", HOUR)
    web.send({"jam": 1})
    any_store.heartbeat("a1", LEASE, 0)
    assert told(any_store) == {"a1": "{a1}"}


def test_in_redis_the_word_of_the_last_process_ends_by_itself(redis: Redis) -> None:
    """Where nobody lives to clean up, the key expires."""
    store = RedisStore(redis, "test")
    store.introduce("worker:w1", "{}", HOUR)
    store.introduce("worker:w2", "{}", 1000)
    assert HOUR - 60_000 < int(redis.pttl(store.keys.facts)) <= HOUR


def test_in_redis_a_word_without_a_time_is_not_heard(redis: Redis) -> None:
    """What somebody else wrote there keeps nobody from reading the rest."""
    store = RedisStore(redis, "streamend")
    store.introduce("worker:w1", "{w1}", HOUR)
    redis.hset(store.keys.facts, mapping={"worker:w2": "", "worker:w3": "soon {w3}"})
    assert told(store) == {"worker:w1": "{w1}"}


def test_a_canary_s_event_is_kept_for_its_time(any_store: Store) -> None:
    """It is there as it was written, until its time is up or it is forgotten."""
    assert any_store.canary("canary:1") is None
    any_store.put_canary("canary:1", "sealed", HOUR)
    assert any_store.canary("canary:1") == "sealed"
    any_store.forget_canary("canary:1")
    assert any_store.canary("canary:1") is None
    any_store.put_canary("canary:2", "sealed", 1)
    eventually(lambda: any_store.canary("canary:2") is None, "its time is up")
