"""The health page and the site while Redis hangs, is killed, or was never there."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import missing
from .servers import Mailbox, Process, RedisServer, Site, eventually, redis_program

GONE = 'streamend_errors_total{stage="store"}'


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """Return a Redis of this test's own, which is not started yet."""
    program = redis_program()
    if program is None:
        missing("redis-server", "apt-get install redis-server")
        return
    server = RedisServer(tmp_path, program)
    yield server
    server.stop()


@pytest.fixture
def start(tmp_path: Path, own_redis: RedisServer, mailbox: Mailbox) -> Iterator[Any]:
    """Return a function that starts a site on that Redis."""
    started: list[Site] = []

    def start_site() -> Site:
        config = {
            "STREAMEND_REDIS_URL": own_redis.url,
            "STREAMEND_DELAY": 1,
            "FRONTEND_URL": "https://live.example.org",
            "MAIL_SERVER": "127.0.0.1",
            "MAIL_PORT": mailbox.port,
        }
        site = Site(tmp_path, config, ("-k", "gevent"))
        started.append(site)
        return site

    yield start_site
    for site in started:
        site.process.stop()


def health(site: Site) -> dict[str, Any]:
    """Return the health page's content, with its HTTP status."""
    status, body = site.get("/health")
    page: dict[str, Any] = json.loads(body)
    assert status == (200 if page["status"] == "ok" else 503)
    return page


def codes(site: Site) -> set[str]:
    """Return the codes of the problems on the health page."""
    return {problem["code"] for problem in health(site)["problems"]}


def test_a_killed_redis_is_named_and_its_return_noticed(own_redis: RedisServer, start: Any) -> None:
    """While Redis is dead the page answers, degraded, with this process's own viewers."""
    own_redis.start()
    site = start()
    viewer = site.watch("jam")
    eventually(lambda: health(site)["clients"] == 1, "the viewer is counted")
    eventually(lambda: codes(site) == {"no-worker"}, "a new Redis is trusted")
    own_redis.stop()
    eventually(lambda: codes(site) == {"redis-away"}, "the page names it")
    page = health(site)
    assert (page["status"], page["redis"], page["clients"], page["events"]) == (
        *("degraded", False, 1),
        1,
    )
    (problem,) = page["problems"]
    assert problem["message"].startswith("Redis does not answer")
    assert health(site)["problems"][0]["since"] == problem["since"], "since when is remembered"
    assert site.get("/health/live") == (200, '{"status":"live"}\n')
    assert site.metric("streamend_clients") == 1
    site.process.wait_for("redis-away: ")
    own_redis.start()
    eventually(lambda: codes(site) == {"no-worker"}, "Redis is back")
    site.process.wait_for("redis-back: ")
    eventually(lambda: health(site)["clients"] == 1, "the viewer is counted in the empty Redis")
    assert site.process.output().count("redis-away: ") == 1
    assert site.process.output().count("redis-back: ") == 1
    assert (site.metric(GONE) or 0) >= 1
    viewer.close()


def test_a_redis_that_hangs_is_named_too(own_redis: RedisServer, start: Any) -> None:
    """A Redis that takes a connection and never answers does not hang the page."""
    own_redis.start()
    site = start()
    assert own_redis.process is not None
    own_redis.process.signal(signal.SIGSTOP)
    eventually(lambda: codes(site) == {"redis-away"}, "the page names it")
    viewer = site.watch("jam")
    assert health(site)["clients"] == 1
    assert site.get("/health/live")[0] == 200
    own_redis.process.signal(signal.SIGCONT)
    eventually(lambda: codes(site) == {"no-worker"}, "Redis answers again")
    eventually(lambda: health(site)["clients"] == 1, "the viewer is counted there")
    viewer.close()


def test_a_site_that_starts_before_redis_works_when_redis_comes(
    own_redis: RedisServer, start: Any, mailbox: Mailbox, tmp_path: Path
) -> None:
    """Without Redis the site starts, says so, and counts; with it the host is told."""
    site = start()
    assert codes(site) == {"redis-away"}
    site.process.wait_for("redis-away: ")
    assert site.metric("streamend_clients") == 0
    viewer = site.watch("jam")
    eventually(lambda: health(site)["clients"] == 1, "the viewer is counted here")
    own_redis.start()
    eventually(lambda: "redis-away" not in codes(site), "Redis is there")
    eventually(lambda: health(site)["clients"] == 1, "the viewer is counted there")
    command = [sys.executable, "-m", "rq.cli", "worker", "--url", own_redis.url]
    worker = Process(command, tmp_path / "worker.log", site.env)
    viewer.close()
    (mail,) = mailbox.wait(1)
    assert mail.message["Subject"] == "Event Stream Ended - The jam"
    eventually(lambda: health(site)["status"] == "ok", "all is well")
    worker.stop()
