"""Streaming servers' calls while Redis hangs: none is lost, and nobody is told what is not so."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from .conftest import missing
from .ground import Ground
from .servers import PATIENCE, RedisServer, Site, eventually, redis_program
from .test_hook_checks import Answering, nginx

TOKEN = "hook-secret"
#: Seconds.
LEASE, DELAY = 3, 1


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


def call(site: Site, what: str, event: str, number: int) -> int:
    """Call as nginx-rtmp does, and return the status."""
    who = {"app": "live", "addr": "127.0.0.1", "clientid": number}
    body = urlencode({**who, "call": what, "name": event}).encode()
    url = f"http://127.0.0.1:{site.port}/streamend/hooks/nginx-rtmp?token={TOKEN}"
    with urllib.request.urlopen(url, body, timeout=PATIENCE) as answer:
        status: int = answer.status
        return status


def away_for(site: Site) -> float:
    """Return for how many seconds a process has known that Redis is away."""
    problems = json.loads(site.get("/health")[1])["problems"]
    since = [problem["since"] for problem in problems if problem["code"] == "redis-away"]
    return time.time() - float(since[0]) if since else 0.0


def test_what_is_called_while_redis_hangs_counts_when_it_is_back(
    server: RedisServer, ground: Ground
) -> None:
    """A publisher's stop is told once it is back; viewers who left alone end nothing."""
    site = ground.site(
        STREAMEND_LEASE=LEASE,
        STREAMEND_DELAY=DELAY,
        STREAMEND_HOOK_TOKEN=TOKEN,
        STREAMEND_END_ON="publisher",
    )
    watching = [site.watch(event) for event in ("stops", "goes-on")]
    for number, event in enumerate(("stops", "goes-on")):
        call(site, "publish", event, number)
        call(site, "play", event, 10 + number)
        ground.wait(event, "live", 2)
    # Begun by a viewer, whom this process alone holds: what it could tell of by itself.
    alone = site.watch("alone")
    ground.wait("alone", "live", 1)
    call(site, "publish", "alone", 2)
    server.hang()
    for viewer in watching:
        viewer.close()
    for number, event in enumerate(("stops", "goes-on")):
        assert call(site, "play_done", event, 10 + number) // 100 == 2
    assert call(site, "publish_done", "stops", 0) // 100 == 2
    assert call(site, "play", "goes-on", 20) // 100 == 2
    eventually(lambda: away_for(site), "it is noticed")
    alone.close()
    eventually(lambda: away_for(site) > LEASE + DELAY + 1, "a process by itself would have told")
    server.resume()
    ground.worker(site)
    eventually(lambda: ground.mails("stops"), "the stop is told")
    ground.wait("goes-on", "live", 1)
    call(site, "play_done", "goes-on", 20)
    for event in ("goes-on", "alone"):
        ground.wait(event, "live", 0)
    ground.all_told()
    assert len(ground.mailbox.mails()) == 1


def test_a_stop_outlives_a_redis_that_was_emptied(ground: Ground) -> None:
    """Its process puts it back as a stop, which no viewer who is still there resumes."""
    site = ground.site(
        STREAMEND_LEASE=LEASE,
        STREAMEND_DELAY=DELAY,
        STREAMEND_HOOK_TOKEN=TOKEN,
        STREAMEND_END_ON="publisher",
    )
    viewer = site.watch("stops")
    call(site, "publish", "stops", 0)
    ground.wait("stops", "live", 1)
    call(site, "publish_done", "stops", 0)
    session = ground.wait("stops", "ending", 1).session
    ground.redis.flushall()
    assert ground.wait("stops", "ending", 1).session == session
    ground.worker(site)
    assert "The stream was stopped." in ground.told("stops").text()
    viewer.close()


@pytest.fixture
def page() -> Iterator[Answering]:
    """Return what answers as nginx's page."""
    page = Answering()
    yield page
    page.close()


def test_a_stop_while_redis_is_away_and_comes_back_empty_is_not_lost(
    server: RedisServer, ground: Ground, page: Answering
) -> None:
    """Who checked last knows that it was published, and the page that it is no more."""
    nginx(page, 10, 1)
    site = ground.site(
        app="streaming",
        STREAMEND_LEASE=LEASE,
        STREAMEND_DELAY=600,
        STREAMEND_HOOK_TOKEN=TOKEN,
        STREAMEND_END_ON="publisher",
        STREAMEND_HOOK_CHECKS={"nginx-rtmp": f"http://{page.address}/stat"},
    )
    call(site, "publish", "stops", 1)
    ground.wait("stops", "live", 0)
    asked = len(page.asked)
    eventually(lambda: len(page.asked) > asked + 1, "the publisher is seen")
    server.stop()
    assert call(site, "publish_done", "stops", 1) // 100 == 2
    nginx(page, 11)
    server.start()
    ground.wait("stops", "ending", 0)
