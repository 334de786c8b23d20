"""Presence, grace periods and claims in Redis: the scripts, through their methods."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from flask_streamend import StoreError
from flask_streamend.store.base import Change, Ended
from flask_streamend.store.redis import RedisStore
from flask_streamend.store.totals import Busy

from .apps.local import NO_REDIS
from .apps.store import LEASE, Web, clock, end, pooled
from .servers import eventually


@pytest.fixture
def store(redis: Redis) -> RedisStore:
    """Return a store in an empty Redis."""
    return RedisStore(redis, "test")


def viewers(store: RedisStore, event: str) -> int:
    """Return an event's viewers over all holders, which every place must agree on."""
    (status,), totals = store.status([event]), store.totals(10)
    assert {b.event_id: b.clients for b in totals.busiest}.get(event, 0) == status.clients
    return status.clients


def test_the_first_viewer_begins_a_session(store: RedisStore, redis: Redis) -> None:
    """First in: the event is live, with the session its holder named."""
    before = clock(redis)
    report = Web(store, "a").send({"jam": 1})
    (event,) = report.events
    assert report.known
    assert before <= report.now
    assert (event.event_id, event.change, event.clients, event.due) == ("jam", "started", 1, None)
    (status,) = store.status(["jam"])
    assert (status.state, status.clients, status.peak) == ("live", 1, 1)
    assert status.session == event.session == "jam-by-a-1"
    assert status.started_at == report.now / 1000


def test_the_last_viewer_begins_the_grace_period(store: RedisStore) -> None:
    """Last out: the event is ending, and due its delay later."""
    web = Web(store, "a", delay=5000)
    web.set("jam", 2)
    assert web.set("jam", 1).change is Change.NONE
    report = web.send({"jam": 0})
    (event,) = report.events
    assert (event.change, event.clients, event.due) == (Change.ENDING, 0, report.now + 5000)
    (status,) = store.status(["jam"])
    assert event.due is not None
    assert (status.state, status.clients, status.peak) == ("ending", 0, 2)
    assert status.due_at == event.due / 1000


def test_a_return_keeps_the_session(store: RedisStore) -> None:
    """Who comes back within the grace period resumes the session, at any holder."""
    first, second = Web(store, "a", 5000), Web(store, "b", 5000)
    session = first.set("jam", 1).session
    first.set("jam", 0)
    back = second.set("jam", 1)
    assert (back.change, back.session, back.due) == (Change.RESUMED, session, None)
    assert store.totals(0).counters["grace_periods|resumed"] == 1
    assert second.set("jam", 0).change is Change.ENDING
    assert store.status(["jam"])[0].session == session


def test_another_holder_keeps_an_event_alive(store: RedisStore) -> None:
    """A holder's last viewer is not the event's while another holder has one."""
    first, second = Web(store, "a"), Web(store, "b")
    first.set("jam", 2)
    assert second.set("jam", 1).change is Change.NONE
    assert viewers(store, "jam") == 3
    assert first.set("jam", 0).change is Change.NONE
    assert viewers(store, "jam") == 1
    assert second.set("jam", 0).change is Change.ENDING


def test_a_count_is_set_and_not_incremented(store: RedisStore) -> None:
    """A report says how many there are; saying it again changes nothing."""
    web = Web(store, "a")
    for _ in range(3):
        web.set("jam", 2)
    assert viewers(store, "jam") == 2
    assert store.totals(0).clients == 2


def test_an_older_report_is_ignored(store: RedisStore) -> None:
    """A report that arrives after a newer one changes nothing."""
    web = Web(store, "a")
    web.send({"jam": 2}, seq=5, full=True)
    late = web.send({"jam": 0}, seq=4)
    assert (late.known, late.events) == (True, ())
    assert web.send({}, seq=3, full=True).events == ()
    assert viewers(store, "jam") == 2


def test_a_repeated_report_is_answered_and_harmless(store: RedisStore) -> None:
    """The same report again, its answer lost, gets an answer and moves nothing."""
    web = Web(store, "a", delay=5000)
    web.send({"jam": 1}, seq=1)
    first = web.send({"jam": 0}, seq=2).events[0]
    again = web.send({"jam": 0}, seq=2).events[0]
    assert first.change is Change.ENDING
    assert (again.change, again.due, again.session) == (Change.NONE, first.due, first.session)
    totals = store.totals(0)
    assert (totals.clients, totals.ending, totals.counters["sessions_begun"]) == (0, 1, 1)


def test_an_unknown_holder_must_report_in_full(store: RedisStore, redis: Redis) -> None:
    """A partial report of a holder the store does not know does nothing and says so."""
    web = Web(store, "a")
    web.seq = 1
    report = web.send({"jam": 1})
    assert (report.known, report.events) == (False, ())
    assert [*redis.scan_iter("*")] == [store.keys.pulse.encode()]
    assert web.send({"jam": 1}, full=True).known
    assert viewers(store, "jam") == 1


def test_a_full_report_zeroes_what_it_does_not_name(store: RedisStore) -> None:
    """What a holder no longer names in a full report it no longer has; other holders' stays."""
    web, other = Web(store, "a"), Web(store, "b")
    other.set("set", 1)
    web.send({"jam": 2, "set": 1, "gig": 3})
    report = web.send({"gig": 1}, full=True)
    changes = {event.event_id: event.change for event in report.events}
    assert changes == {"jam": Change.ENDING, "set": Change.NONE, "gig": Change.NONE}
    assert [viewers(store, event) for event in ("jam", "set", "gig")] == [0, 1, 1]
    assert store.totals(0).clients == 2


def test_an_event_dropped_by_a_full_report_keeps_its_delay(store: RedisStore) -> None:
    """The grace period of an event that a full report leaves out is the one reported before."""
    web = Web(store, "a", delay=7000)
    web.set("jam", 1)
    report = web.send({}, full=True)
    (event,) = report.events
    assert event.due == report.now + 7000


@pytest.mark.parametrize("delay", [0, 1, 1500, 86_400_000])
def test_due_is_never_before_the_leave_and_the_delay(
    store: RedisStore, redis: Redis, delay: int
) -> None:
    """On Redis's clock an event is due its whole delay after the leave, to the microsecond."""
    web = Web(store, "a", delay)
    for number in range(50):
        web.set(f"jam{number}", 1)
        before = clock(redis)
        due = web.set(f"jam{number}", 0).due
        assert due is not None
        assert before + delay <= due <= clock(redis) + delay + 1


def test_nothing_is_claimed_before_it_is_due(store: RedisStore, redis: Redis) -> None:
    """Whoever claims all the time gets an end at its due instant and not before."""
    due = 0
    web = Web(store, "a", delay=150)
    web.set("jam", 1)
    due = web.set("jam", 0).due or 0
    (ended,) = eventually(lambda: store.claim(10), "the event ended")
    assert clock(redis) >= due
    assert (ended.event_id, ended.due, ended.peak) == ("jam", due, 1)


def test_live_and_not_yet_due_events_are_left_alone(store: RedisStore) -> None:
    """A claim takes only what is empty and due."""
    Web(store, "a", delay=3_600_000).visit("later")
    Web(store, "b").set("live", 1)
    Web(store, "c").visit("now")
    (ended,) = eventually(lambda: store.claim(10), "the event ended")
    assert ended.event_id == "now"
    assert store.claim(10) == []
    states = [status.state for status in store.status(["later", "live", "now"])]
    assert states == ["ending", "live", "idle"]


def test_a_viewer_who_came_back_is_no_end(store: RedisStore) -> None:
    """A due time that has passed ends nothing where somebody came back before the claim."""
    web = Web(store, "a")
    web.set("jam", 1)
    due = web.set("jam", 0).due or 0
    eventually(lambda: store.look(None).ready, "the event is due")
    assert web.set("jam", 1).change is Change.RESUMED
    assert store.claim(10) == []
    look = store.look(due)
    assert (look.ready, look.waiting) == (0, False)


def test_after_an_end_comes_another_session(store: RedisStore) -> None:
    """An ended session is over: the next viewer begins another, with a delivery of its own."""
    first = end(store, "jam")
    web = Web(store, "b")
    assert web.set("jam", 1).change is Change.STARTED
    web.set("jam", 0)
    second = eventually(lambda: store.claim(10), "the second session ended")
    assert [ended.session for ended in second] != first
    assert store.totals(0).counters["grace_periods|ended"] == 2


def test_each_end_goes_to_exactly_one_claimer(redis_url: str) -> None:
    """Of 20 threads that claim at once, each of 200 ends is handed to one."""
    client = pooled(redis_url)
    store, start = RedisStore(client, "test"), Barrier(20)
    events = [f"jam{number}" for number in range(200)]
    Web(store, "a").visit(*events)
    eventually(lambda: store.look(None).ready == 200, "every event is due")

    def claim(_: int) -> list[Ended]:
        start.wait()
        mine: list[Ended] = []
        while ended := store.claim(7):
            mine += ended
        return mine

    with ThreadPoolExecutor(20) as threads:
        claimed = Counter(end.event_id for ends in threads.map(claim, range(20)) for end in ends)
    assert claimed == dict.fromkeys(events, 1)
    totals = store.totals(0)
    assert (totals.live, totals.ending, totals.clients) == (0, 0, 0)
    assert totals.counters["deliveries_made"] == 200
    client.close()


def test_a_flapping_viewer_of_two_holders_makes_no_false_end(redis_url: str) -> None:
    """While one of two flapping holders always has a viewer, nobody ever claims the event."""
    client = pooled(redis_url)
    store = RedisStore(client, "test")
    Web(store, "keeper").set("jam", 1)
    webs = [Web(store, name) for name in "abcd"]

    def flap(web: Web) -> list[Ended]:
        claimed: list[Ended] = []
        for _ in range(100):
            web.visit("jam")
            claimed += store.claim(10)
        return claimed

    with ThreadPoolExecutor(4) as threads:
        assert [end for ends in threads.map(flap, webs) for end in ends] == []
    assert viewers(store, "jam") == 1
    client.close()


def test_the_totals_agree(store: RedisStore) -> None:
    """Viewers, events by state, the busiest and their sum are read in one act and agree."""
    Web(store, "a", delay=3_600_000).visit("later")
    Web(store, "b").send({"jam": 3, "gig": 1})
    Web(store, "c").send({"jam": 2, "set": 4})
    totals = store.totals(2)
    assert (totals.clients, totals.live, totals.ending) == (10, 3, 1)
    assert totals.busiest == (Busy("jam", 5), Busy("set", 4))
    assert sum(busy.clients for busy in store.totals(100).busiest) == totals.clients
    assert store.totals(0).busiest == ()
    assert totals.counters["sessions_begun"] == totals.live + totals.ending


def test_counts_are_added(store: RedisStore) -> None:
    """Counters that processes hand over add up."""
    store.add({"errors|queue": 2, "errors|hook": 1})
    store.add({"errors|queue": 3})
    counters = store.totals(0).counters
    assert (counters["errors|queue"], counters["errors|hook"]) == (5, 1)


def test_a_store_that_is_away_is_this_package_s_error() -> None:
    """A Redis that does not answer is a StoreError, from every method, with its cause."""
    store = RedisStore(Redis.from_url(NO_REDIS, retry=Retry(NoBackoff(), 0)), "test")
    for call in (
        lambda: store.claim(1),
        lambda: store.status(["jam"]),
        lambda: store.add({"a": 1}),
    ):
        with pytest.raises(StoreError, match="Redis: ConnectionError") as caught:
            call()
        assert caught.value.__cause__ is not None


def test_no_status_of_nothing(store: RedisStore) -> None:
    """Asked for no event, the store answers nothing; asked for an unknown one, idle."""
    assert store.status([]) == []
    assert [status.state for status in store.status(["b", "a"])] == ["idle", "idle"]
    assert [status.event_id for status in store.status(["b", "a"])] == ["b", "a"]


def test_an_end_whose_session_was_evicted_is_told_all_the_same(
    store: RedisStore, redis: Redis
) -> None:
    """A Redis that drops keys to save memory breaks no claim, and the end gets its delivery."""
    Web(store, "a").visit("jam")
    redis.delete(store.keys.sessions)
    (ended,) = eventually(lambda: store.claim(10), "the end is claimed")
    assert ended.event_id == "jam"
    (delivery,) = store.take("worker", 1000, 10)
    assert delivery.session == ended.session


def test_a_ledger_that_was_evicted_stops_nobody(store: RedisStore, redis: Redis) -> None:
    """Where the ledger is gone what it held can't be taken, and what comes later can."""
    end(store, "jam")
    redis.delete(store.keys.ledger)
    assert store.take("worker", 1000, 10) == []
    end(store, "later")
    assert [delivery.event_id for delivery in store.take("worker", 1000, 10)] == ["later"]


def test_the_watching_alarm_is_removed_however_long_ago_it_was_set(store: RedisStore) -> None:
    """Where it would be set anew just now, and all is over, it is removed all the same."""
    store.redis.hset(store.keys.pulse, "watch", 1)
    assert store.heartbeat("", LEASE, 0).watch is False
    assert store.heartbeat("", 0, 0).watch is False
    store.redis.hset(store.keys.pulse, "watch", -1)
    assert store.heartbeat("", LEASE, 0).watch is None
    assert not store.redis.hexists(store.keys.pulse, "watch")
