"""Each worker a user may run: it tells everybody, once, and nobody early."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from rq import Queue, Worker

from flask_streamend.store.redis import RedisStore

from .counting_smtp import CountingServer
from .ground import Ground
from .servers import PATIENCE, Process, Site, eventually

#: Namespace and queue of the site that some of these tests share.
NAME = "shared"


@pytest.fixture(scope="module")
def server() -> Iterator[CountingServer]:
    """Return the mail server of these tests."""
    server = CountingServer()
    server.start()
    yield server
    server.stop()


def start_site(ground: Ground, server: CountingServer, **config: Any) -> Site:
    """Start a site whose mail goes to that server."""
    return ground.site(MAIL_PORT=server.port, STREAMEND_RETRY_BACKOFF=0.2, **config)


@pytest.fixture(scope="module")
def site(ground: Ground, server: CountingServer) -> Site:
    """Return the site these tests share."""
    return start_site(ground, server, STREAMEND_NAMESPACE=NAME, STREAMEND_QUEUE=NAME)


@pytest.fixture
def worker(ground: Ground, site: Site) -> Iterator[Process]:
    """Return a new ``flask streamend worker`` of that site."""
    worker = ground.worker(site, "tuned", queue=NAME)
    yield worker
    ground.stop_process(worker)


def schedule(site: Site, prefix: str, count: int, over: float) -> list[float]:
    """Schedule ends from one second on and return before when none of them may be told."""
    asked = time.time()
    assert site.get(f"/schedule-many/{prefix}?count={count}&over={over}")[0] == 200
    return [asked + 1 + number * over / count for number in range(count)]


def check(
    ground: Ground, server: CountingServer, name: str, prefix: str, not_before: list[float]
) -> None:
    """Wait until all are told; then check that each was once and none early, and nothing is left.

    :param name: the namespace, which is the queue's name too.
    :param not_before: for each event, its number being the index, the earliest instant.
    """
    store = RedisStore(ground.redis, name)
    eventually(
        lambda: len(server.about(prefix)) == len(not_before),
        f"all of {prefix} are told",
        2 * PATIENCE,
    )
    eventually(lambda: store.next_try() is None, "nothing is owed any more")
    arrivals = server.about(prefix)
    due = {row.event_id: row.due_at for row in store.records(10_000)}
    for number, instant in enumerate(not_before):
        event = f"{prefix}{number}"
        assert len(arrivals[event]) == 1, f"{event} was told once"
        assert arrivals[event][0] >= due[event] >= instant, f"{event} was not told early"
    eventually(lambda: not ground.redis.keys(f"rq:job:{name}-*"), "no alarm is left")
    eventually(lambda: not ground.redis.zcard(f"rq:scheduled:{name}"), "no alarm is left")
    # The id of an alarm that was taken back is in the queue until a worker has come to it.
    eventually(lambda: not ground.redis.llen(f"rq:queue:{name}"), "the queue is empty")
    assert ground.redis.zcard(f"rq:failed:{name}") == 0


#: Each worker of this test with its number of ends; and those that need no web process.
BESIDE = {"plain": 50, "scheduler": 50, "preloaded": 50, "tuned": 200}
ALONE = {"scheduler-alone": 30, "tuned-alone": 30}


@pytest.fixture(scope="module")
def spread(ground: Ground, server: CountingServer) -> dict[str, list[float]]:
    """Start all these workers, each with a queue and a site of its own, and schedule their ends.

    :returns: for each of them, before when each of its ends may not be told.
    """
    sites = {}
    for name in (*BESIDE, *ALONE):
        sites[name] = start_site(ground, server, STREAMEND_NAMESPACE=name, STREAMEND_QUEUE=name)
        ground.worker(sites[name], name.removesuffix("-alone"), queue=name)
    before = {
        name: schedule(sites[name], f"{name}.", count, 4 if name in BESIDE else 2)
        for name, count in (BESIDE | ALONE).items()
    }
    for name in ALONE:
        sites[name].process.signal(signal.SIGKILL)
    return before


@pytest.mark.parametrize("kind", BESIDE)
def test_a_worker_tells_everybody_once_and_nobody_early(
    spread: dict[str, list[float]], server: CountingServer, ground: Ground, kind: str
) -> None:
    """Ends spread over four seconds are all told, each once, none before its due instant."""
    check(ground, server, kind, f"{kind}.", spread[kind])


@pytest.mark.parametrize("kind", ALONE)
def test_a_worker_tells_without_any_web_process(
    spread: dict[str, list[float]], server: CountingServer, ground: Ground, kind: str
) -> None:
    """When no web process lives any more, these workers notice by themselves what is due."""
    check(ground, server, kind, f"{kind}.", spread[kind])


def failures(ground: Ground) -> int:
    """Return the attempts that failed."""
    counters = RedisStore(ground.redis, NAME).totals(0).counters
    return counters.get("notifications|email|failed", 0)


def test_other_jobs_are_forked(worker: Process, ground: Ground) -> None:
    """What else is on the queue of flask streamend worker runs in a fork, as RQ does it."""
    job = Queue(NAME, connection=ground.redis).enqueue("tests.apps.work.processes")
    eventually(lambda: job.get_status() == "finished", "the job is done")
    result = job.return_value()
    assert result is not None
    own, parent = result
    assert parent == worker.popen.pid
    assert own != worker.popen.pid
    job.delete()


@pytest.mark.parametrize("kind", ["tuned", "preloaded"])
def test_a_worker_leaves_alone_what_it_loaded(ground: Ground, site: Site, kind: str) -> None:
    """Neither it nor a fork of it has the garbage collector go over the application again."""
    worker = ground.worker(site, kind, queue=NAME)
    job = Queue(NAME, connection=ground.redis).enqueue("gc.get_freeze_count")
    eventually(lambda: job.get_status() == "finished", "the job is done")
    assert (job.return_value() or 0) > 10_000
    job.delete()
    ground.stop_process(worker)


def test_a_worker_that_redis_forgot_is_known_again(
    site: Site, worker: Process, ground: Ground
) -> None:
    """Where Redis came back empty, the worker registers again, and the health page finds it."""
    (known,) = Worker.all(queue=Queue(NAME, connection=ground.redis))
    ground.redis.delete(known.key)
    for workers in ("rq:workers", f"rq:workers:{NAME}"):
        ground.redis.srem(workers, known.key)
    eventually(lambda: site.get("/health")[0] == 200, "the site has a worker")
    (again,) = Worker.all(queue=Queue(NAME, connection=ground.redis))
    assert again.pid == worker.popen.pid


def test_a_worker_alone_lets_go_of_what_had_a_short_lease(
    ground: Ground, server: CountingServer
) -> None:
    """However short the lease of a process that died, a worker's beats are enough to notice."""
    name = "short-lease"
    site = start_site(
        *(ground, server),
        STREAMEND_NAMESPACE=name,
        STREAMEND_QUEUE=name,
        STREAMEND_LEASE=1,
        STREAMEND_DELAY=0.5,
    )
    ground.worker(site, "tuned", queue=name)
    site.watch("left-behind")
    eventually(lambda: json.loads(site.get("/health")[1])["clients"] == 1, "it is counted")
    site.process.signal(signal.SIGKILL)
    eventually(lambda: server.about("left-behind"), "its host is told")


def test_the_mail_connection_is_kept(
    site: Site, worker: Process, server: CountingServer, ground: Ground
) -> None:
    """Over many deliveries flask streamend worker opens one connection; when it is lost, one more.

    A connection that the server closed in between loses nothing and counts as no failure.
    """
    before = server.opened
    failed = failures(ground)
    check(ground, server, NAME, "kept-", schedule(site, "kept-", 10, 2))
    assert server.opened == before + 1
    server.hang_up()
    check(ground, server, NAME, "reopened-", schedule(site, "reopened-", 3, 0.5))
    assert server.opened == before + 2
    assert failures(ground) == failed


def test_a_connection_closed_a_moment_ago_loses_nothing(
    site: Site, worker: Process, server: CountingServer, ground: Ground
) -> None:
    """Whenever the server hangs up between two mails, the second is told all the same, once."""
    failed = failures(ground)
    not_before = schedule(site, "closing-", 2, 1.2)
    eventually(lambda: server.about("closing-0"), "the first is told")
    server.hang_up()
    check(ground, server, NAME, "closing-", not_before)
    assert failures(ground) == failed
