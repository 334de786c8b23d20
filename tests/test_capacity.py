"""What a process says of its server at the first request."""

from __future__ import annotations

import json

import pytest

from .conftest import StartSite

SERVERS = {
    "gevent": (
        ("-k", "gevent", "--worker-connections", "77"),
        "room for 77 viewers (gunicorn gevent --worker-connections 77",
    ),
    "gthread": (
        ("-k", "gthread", "--threads", "55"),
        "room for 55 viewers (gunicorn gthread --threads 55",
    ),
    "gthread, few connections": (
        ("-k", "gthread", "--threads", "55", "--worker-connections", "44"),
        "room for 44 viewers (gunicorn gthread --worker-connections 44",
    ),
}


@pytest.mark.parametrize("kind", sorted(SERVERS))
def test_the_log_says_how_many_viewers_there_is_room_for(start_site: StartSite, kind: str) -> None:
    """One line at the first request names the limit and the setting it comes from."""
    args, words = SERVERS[kind]
    site = start_site(*args)
    site.process.wait_for(words)
    assert site.process.output().count("This process has room for") == 1


def test_the_sync_worker_is_named(start_site: StartSite) -> None:
    """Under gunicorn's sync worker log and health page name the cure."""
    site = start_site("-k", "sync")
    site.process.wait_for("sync-worker: gunicorn's sync worker can't hold a socket; start it with")
    status, body = site.get("/health")
    assert status == 503
    assert "sync-worker" in [problem["code"] for problem in json.loads(body)["problems"]]
