"""``memory://``: one process is all there is, and says so where it is not."""

from __future__ import annotations

import json
import re
import time

import pytest
from simple_websocket import Client, ConnectionClosed

from .ground import Ground
from .servers import PATIENCE, Site, eventually

#: Seconds of grace; and of what must not be over between two requests, on a slow machine either.
DELAY, LONGER = 0.4, 4


@pytest.fixture(scope="module", params=["development", "gunicorn"])
def site(request: pytest.FixtureRequest, ground: Ground) -> Site:
    """Return a site without Redis, under each server that serves it."""
    development = request.param == "development"
    args = () if development else ("-k", "gevent", "-w", "1")
    return ground.site(
        *args, development=development, STREAMEND_REDIS_URL="memory://", STREAMEND_DELAY=DELAY
    )


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Return a name for this test's event, under this server."""
    return re.sub(r"[^a-z]+", "-", request.node.name).strip("-")


def state(site: Site, event_id: str) -> tuple[str, int]:
    """Return an event's state and viewers, as the site answers."""
    found = json.loads(site.get(f"/counts/{event_id}")[1])
    return found["state"], found["event"]


def close_code(viewer: Client) -> int:
    """Wait for a viewer's socket to be closed and return the code."""
    try:
        viewer.receive(PATIENCE)
    except ConnectionClosed as closed:
        return int(closed.reason)
    raise AssertionError("the socket is open")


def settled(site: Site, ground: Ground, event_id: str) -> None:
    """Have another event end after this one, and its mail arrive."""
    site.get(f"/schedule/{event_id}-marker?delay=0.5")
    eventually(lambda: ground.mails(f"{event_id}-marker"), "the marker's mail")


def test_the_last_viewer_leaves_and_the_host_is_told(site: Site, ground: Ground, name: str) -> None:
    """With no Redis and no worker the mail comes once, after the last leave and the delay."""
    viewers = [site.watch(name) for _ in range(3)]
    eventually(lambda: state(site, name) == ("live", 3), "three are counted")
    assert site.metric(f'streamend_event_clients{{event_id="{name}"}}') == 3
    left = time.time()
    for viewer in viewers:
        viewer.close()
    (mail,) = eventually(lambda: ground.mails(name), "the mail")
    assert mail.at >= left + DELAY
    settled(site, ground, name)
    assert len(ground.mails(name)) == 1
    assert state(site, name) == ("idle", 0)
    site.process.wait_for(f"notification scheduled for host h***@example.org for event {name}")


def test_a_return_moves_the_end(site: Site, ground: Ground, name: str) -> None:
    """Flaps are one session, whose end counts from the last leave."""
    name += f"~own-{LONGER}"
    for _ in range(10):
        left = time.time()
        site.watch(name).close()
    (mail,) = eventually(lambda: ground.mails(name), "the mail")
    assert mail.at >= left + LONGER
    settled(site, ground, name)
    assert len(ground.mails(name)) == 1


def test_a_stop_closes_sockets_and_tells_at_once(site: Site, ground: Ground, name: str) -> None:
    """The host's stop closes the sockets with 4000, and the notice says so."""
    viewers = [site.watch(name) for _ in range(2)]
    eventually(lambda: state(site, name) == ("live", 2), "both are counted")
    site.get(f"/over/end_event/{name}")
    assert {close_code(viewer) for viewer in viewers} == {4000}
    (mail,) = eventually(lambda: ground.mails(name), "the mail")
    assert "The stream was stopped." in mail.text()


def test_a_purge_counts_again_who_is_there(site: Site, ground: Ground, name: str) -> None:
    """Purging tells nobody, and a socket that is open is counted as another session."""
    viewer = site.watch(name)
    eventually(lambda: state(site, name) == ("live", 1), "counted")
    site.get(f"/over/purge/{name}")
    eventually(lambda: state(site, name) == ("live", 1), "counted anew")
    settled(site, ground, name)
    assert not ground.mails(name)
    viewer.close()
    eventually(lambda: ground.mails(name), "the new session's mail")


def test_guests_come_and_go(site: Site, ground: Ground, name: str) -> None:
    """Viewers by call count as they do with Redis."""
    site.get(f"/guest/join/{name}/ann")
    site.get(f"/guest/seen/{name}/bob?ttl={LONGER}")
    assert state(site, name) == ("live", 2)
    site.get(f"/guest/leave/{name}/ann")
    eventually(lambda: ground.mails(name), "bob is seen no more")


def test_health_is_ok_without_queue(site: Site) -> None:
    """One process is healthy: there is no queue to look at and no worker to miss."""
    status, body = site.get("/health")
    page = json.loads(body)
    assert (status, page["status"], page["problems"], page["queue"]) == (200, "ok", [], None)
    assert site.metric("streamend_queue_jobs") is None


def test_several_processes_are_an_error(ground: Ground) -> None:
    """With more than one process the log has an error, and the health page is degraded."""
    site = ground.site("-k", "gevent", "-w", "2", STREAMEND_REDIS_URL="memory://")
    site.process.wait_for("ERROR flask_streamend memory-multiprocess: ")
    status, body = site.get("/health")
    page = json.loads(body)
    assert (status, page["status"]) == (503, "degraded")
    (problem,) = page["problems"]
    assert problem["code"] == "memory-multiprocess"
    assert "STREAMEND_REDIS_URL" in problem["message"]
    assert problem["since"] <= time.time()


@pytest.fixture
def memory_env() -> dict[str, str]:
    """Return the environment of an application without Redis."""
    return {"SITE_CONFIG": '{"STREAMEND_REDIS_URL": "memory://"}', "FLASK_APP": "tests.apps.site"}


@pytest.mark.parametrize("words", [("status",), ("end", "jam"), ("purge", "jam"), ("worker",)])
def test_commands_can_t_see_it(
    memory_env: dict[str, str], ground: Ground, words: tuple[str, ...]
) -> None:
    """A command can't look into another process's memory: it says so and exits with 2."""
    status, printed, errors = ground.command(memory_env, *words)
    assert (status, printed) == (2, "")
    assert "memory://" in errors
    assert "redis://" in errors
