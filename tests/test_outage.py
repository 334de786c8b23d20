"""Redis away, hung or emptied under web processes that hold viewers."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from flask_streamend.store.redis import RedisStore

from .apps.store import texts
from .collector import END, NOTIFY, Collector
from .conftest import missing
from .ground import Ground
from .servers import RedisServer, Site, eventually, redis_program

#: Seconds; short, so that what must wait for one lease does not wait for long.
LEASE = 3
DELAY = 1


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """Return a Redis of the test's own."""
    program = redis_program()
    if program is None:
        missing("redis-server", "apt-get install redis-server")
        raise AssertionError
    server = RedisServer(tmp_path, program)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def ground(server: RedisServer, tmp_path: Path) -> Iterator[Ground]:
    """Return what stands on that Redis."""
    ground = Ground(tmp_path, server.url)
    yield ground
    ground.stop()


@pytest.fixture
def sites(ground: Ground) -> tuple[Site, Site]:
    """Return two web processes."""
    return start(ground), start(ground)


def start(ground: Ground) -> Site:
    """Start a web process; its first request begins its beat."""
    site = ground.site(STREAMEND_LEASE=LEASE, STREAMEND_DELAY=DELAY)
    eventually(lambda: site.get("/health")[1], "it answers")
    return site


def page(site: Site) -> dict[str, object]:
    """Return a process's health page."""
    found: dict[str, object] = json.loads(site.get("/health")[1])
    return found


def codes(site: Site) -> set[str]:
    """Return the problems a process's health page shows."""
    return {problem["code"] for problem in page(site)["problems"]}  # type: ignore[attr-defined]


def told(ground: Ground, *events: str) -> None:
    """Wait until each of these events' hosts was told, and check that each was told once."""
    for event in events:
        eventually(lambda event=event: ground.mails(event), f"a mail about {event}")  # type: ignore[misc]
    assert {event: len(ground.mails(event)) for event in events} == dict.fromkeys(events, 1)


def beat(ground: Ground) -> None:
    """Wait until each process has beaten once more than at the call."""
    holders = ground.store.keys.holders
    before = {name: ground.redis.zscore(holders, name) for name in texts(_names(ground))}
    assert before
    eventually(
        lambda: all(ground.redis.zscore(holders, name) != at for name, at in before.items()),
        "each process beats",
    )


def _names(ground: Ground) -> list[bytes]:
    names: list[bytes] = ground.redis.zrange(ground.store.keys.holders, 0, -1)  # type: ignore[assignment]
    return names


def test_an_end_is_told_while_redis_is_away(
    server: RedisServer, ground: Ground, sites: tuple[Site, Site]
) -> None:
    """What one process alone held is told without Redis, what two held waits, each is told once."""
    first, second = sites
    alone, ours, theirs = first.watch("alone"), first.watch("both"), second.watch("both")
    ground.wait("alone", "live", 1)
    ground.wait("both", "live", 2)
    beat(ground)
    server.stop()
    for viewer in (alone, ours, theirs):
        viewer.close()
    told(ground, "alone")
    assert not ground.mails("both")
    assert "redis-away" in codes(first)
    server.start()
    ground.worker(first)
    eventually(lambda: ground.status("both").state != "idle", "what waited was put back")
    told(ground, "alone", "both")
    eventually(lambda: "redis-away" not in codes(first), "the process is back")
    ground.all_told()
    told(ground, "alone", "both")
    # The ledger of the new Redis knows what was told without it.
    states = {record.event_id: record.state for record in ground.store.records(10)}
    assert states == {"alone": "sent", "both": "sent"}


def start_traced(ground: Ground, collector: Collector) -> Site:
    """Start a web process that traces."""
    return ground.site(
        app="traced",
        env=collector.env,
        STREAMEND_TRACING=True,
        STREAMEND_LEASE=LEASE,
        STREAMEND_DELAY=DELAY,
    )


def test_an_end_that_is_told_while_redis_is_away_is_traced(
    server: RedisServer, ground: Ground, collector: Collector
) -> None:
    """What a process tells by itself is traced; the end's own span leaves when Redis is back."""
    site = start_traced(ground, collector)
    viewer = site.watch("alone")
    ground.wait("alone", "live", 1)
    beat(ground)
    server.stop()
    viewer.close()
    told(ground, "alone")
    (notify,) = collector.wait("alone", NOTIFY)
    assert notify.attributes["streamend.outcome"] == "sent"
    server.start()
    (end,) = collector.wait("alone", END)
    assert (notify.trace, notify.parent, notify.pid) == (end.trace, end.id, end.pid)


def test_a_trace_outlives_a_redis_that_was_emptied(
    server: RedisServer, ground: Ground, collector: Collector
) -> None:
    """An end that is put back into an emptied Redis keeps the trace that its last leave began."""
    site = start_traced(ground, collector)
    site.watch("kept~own-4").close()
    ground.wait("kept~own-4", "ending", 0)
    server.stop()
    server.start()
    ground.worker(site)
    end, notify = collector.wait("kept~own-4", END, NOTIFY)
    assert (notify.trace, notify.parent) == (end.trace, end.id)
    assert end.pid != notify.pid


def test_viewers_sessions_and_ends_are_put_back_into_an_emptied_redis(
    server: RedisServer, ground: Ground, sites: tuple[Site, Site]
) -> None:
    """An emptied Redis knows again who watches, since when, and what was about to end."""
    first, second = sites
    viewers = [first.watch("jam"), second.watch("jam"), first.watch("gone")]
    ground.wait("jam", "live", 2)
    before = ground.wait("gone", "live", 1)
    session = ground.status("jam").session
    ground.store.hold(60_000)  # so that the end is still to be told when Redis is emptied
    viewers.pop().close()
    ground.wait("gone", "ending", 0)
    beat(ground)
    server.stop()
    server.start()
    ground.wait("jam", "live", 2)
    again = ground.wait("gone", "ending", 0)
    assert ground.status("jam").session == session
    assert again.session == before.session
    assert again.started_at == pytest.approx(before.started_at, abs=0.5)
    ground.worker(first)
    told(ground, "gone")
    for viewer in viewers:
        viewer.close()
    told(ground, "gone", "jam")


def test_a_worker_does_not_end_what_a_hung_redis_knows_nothing_of(
    server: RedisServer, ground: Ground, sites: tuple[Site, Site]
) -> None:
    """Viewers who come back while Redis hangs are there, whoever reaches it first afterwards."""
    first, second = sites
    worker = ground.worker(first)
    events = [f"hung{number}" for number in range(20)]
    leaving = {event: first.watch(event) for event in events}
    for event in events:
        ground.wait(event, "live", 1)
    beat(ground)
    # So that none is told before Redis hangs, however slow this machine is.
    worker.signal(signal.SIGSTOP)
    for viewer in leaving.values():
        viewer.close()
    for event in events:
        ground.wait(event, "ending", 0)
    server.hang()
    worker.signal(signal.SIGCONT)
    # To the other process, which had none of them.
    back = [second.watch(event) for event in events[:10]]
    eventually(lambda: "redis-away" in codes(second), "the process notices")
    server.resume()
    told(ground, *events[10:])
    assert [len(ground.mails(event)) for event in events[:10]] == [0] * 10
    for viewer in back:
        viewer.close()
    told(ground, *events)


def test_who_starts_while_redis_is_away_waits_for_the_others(
    server: RedisServer, ground: Ground, sites: tuple[Site, Site]
) -> None:
    """A process that starts meanwhile knows nothing, and ends nothing that others hold."""
    first, second = sites
    viewers = [second.watch("jam")]
    ground.wait("jam", "live", 1)
    server.stop()
    ground.stop_process(first.process)
    third = start(ground)
    late = third.watch("jam")
    server.start()
    ground.worker(third)
    ground.wait("jam", "live", 2)
    late.close()
    ground.wait("jam", "live", 1)
    assert not ground.mails("jam")
    viewers.pop().close()
    told(ground, "jam")


def test_health_says_that_ends_wait(
    server: RedisServer, ground: Ground, sites: tuple[Site, Site]
) -> None:
    """While processes are waited for, and while an operator holds, health says so."""
    first, _ = sites
    viewer = first.watch("jam")
    ground.wait("jam", "live", 1)
    server.stop()
    eventually(lambda: "redis-away" in codes(first), "Redis is missed")
    server.start()
    eventually(lambda: "catching-up" in codes(first), "others are waited for")
    eventually(lambda: "catching-up" not in codes(first), "everybody has reported")
    assert ground.command(first.env, "hold", "600")[0] == 0
    assert "held" in codes(first)
    ground.worker(first)
    viewer.close()
    ground.wait("jam", "ending", 0)
    eventually(lambda: ground.store.look(None).paused, "its time has come")
    assert not ground.mails("jam")
    status, printed, _ = ground.command(first.env, "hold", "0")
    assert (status, printed) == (0, "Let go\n")
    told(ground, "jam")


def saved(folder: Path, event_id: str) -> int:
    """Return how many viewers an event has in what a Redis saved: another one is asked for it."""
    program = redis_program()
    assert program is not None
    server = RedisServer(folder, program)
    server.start()
    with Redis.from_url(server.url) as client:
        clients = RedisStore(client, "streamend").status([event_id])[0].clients
    server.stop()
    return clients


def test_a_redis_that_lost_its_last_writes_is_told_again(
    server: RedisServer, ground: Ground, sites: tuple[Site, Site], tmp_path: Path
) -> None:
    """A restart too quick to be missed, with older data, takes nobody's viewers away."""
    first, second = sites
    ground.worker(first)
    leaving = second.watch("jam")
    ground.wait("jam", "live", 1)
    beat(ground)
    ground.redis.save()
    staying = first.watch("jam")
    ground.wait("jam", "live", 2)
    server.stop()
    assert saved(tmp_path, "jam") == 1
    server.start()
    leaving.close()
    ground.wait("jam", "live", 1)
    eventually(lambda: "catching-up" not in codes(first), "everybody has reported")
    ground.wait("jam", "live", 1)
    assert not ground.mails("jam")
    staying.close()
    told(ground, "jam")
