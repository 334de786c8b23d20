"""A graceful stop: viewers are sent elsewhere, and the store is told at once."""

from __future__ import annotations

import signal

import pytest
from redis import Redis
from simple_websocket import Client, ConnectionClosed

from flask_streamend.store.redis import RedisStore

from .conftest import StartSite
from .servers import Site, eventually

GEVENT = ("-k", "gevent")
GTHREAD = ("-k", "gthread", "--threads", "60")
PRELOAD = ("-c", "python:flask_streamend.gunicorn", "--preload")


def close_code(viewer: Client) -> int | None:
    """Wait for a viewer's socket to be closed and return the code."""
    try:
        while True:
            viewer.receive(30)
    except ConnectionClosed as closed:
        return int(closed.reason)


def watched(site: Site, store: RedisStore, count: int) -> list[Client]:
    """Open sockets and wait until they are counted."""
    viewers = [site.watch("jam") for _ in range(count)]
    eventually(lambda: store.status(["jam"])[0].clients == count, "all are counted")
    return viewers


@pytest.mark.parametrize(
    "args",
    [GEVENT, GTHREAD, (*GEVENT, *PRELOAD), (*GTHREAD, *PRELOAD)],
    ids=["gevent", "gthread", "gevent-preload", "gthread-preload"],
)
def test_sigterm_sends_viewers_elsewhere(
    start_site: StartSite, redis: Redis, args: tuple[str, ...]
) -> None:
    """On SIGTERM each viewer is closed with 1012, and the store counts none of them any more."""
    store = RedisStore(redis, "streamend")
    site = start_site(*args, STREAMEND_LEASE=600, STREAMEND_DELAY=600)
    viewers = watched(site, store, 30)
    site.process.popen.send_signal(signal.SIGTERM)
    assert {close_code(viewer) for viewer in viewers} == {1012}
    site.process.popen.wait(30)
    status = store.status(["jam"])[0]
    assert (status.state, status.clients) == ("ending", 0)
    assert redis.zcard(store.keys.holders) == 0


@pytest.mark.parametrize("args", [GEVENT, GTHREAD], ids=["gevent", "gthread"])
def test_a_worker_at_its_last_request_drains(
    start_site: StartSite, redis: Redis, args: tuple[str, ...]
) -> None:
    """With --max-requests a worker's viewers are sent elsewhere when it has done its last."""
    store = RedisStore(redis, "streamend")
    hooks = ("-c", "python:flask_streamend.gunicorn", "--max-requests", "20")
    site = start_site(*args, *hooks, STREAMEND_LEASE=600, STREAMEND_DELAY=600)
    viewers = watched(site, store, 5)
    for _ in range(30):
        site.get("/health/live", quiet=True)
    assert {close_code(viewer) for viewer in viewers} == {1012}
    eventually(lambda: store.status(["jam"])[0].clients == 0, "nobody is counted")


def test_nobody_is_told_when_viewers_come_back_elsewhere(
    start_site: StartSite, redis: Redis
) -> None:
    """Viewers sent away who come back at another process keep their session."""
    store = RedisStore(redis, "streamend")
    first, second = (start_site(STREAMEND_DELAY=600) for _ in range(2))
    viewers = watched(first, store, 5)
    session = store.status(["jam"])[0].session
    first.process.popen.send_signal(signal.SIGTERM)
    assert {close_code(viewer) for viewer in viewers} == {1012}
    back = watched(second, store, 5)
    assert store.status(["jam"])[0].session == session
    assert len(back) == 5
