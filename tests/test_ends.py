"""Ends that viewers decide, and ends that the application orders."""

from __future__ import annotations

import json
import time

import pytest
from simple_websocket import Client, ConnectionClosed

from .ground import Ground
from .listener import Listener
from .servers import PATIENCE, Site, eventually

#: Seconds of grace.
DELAY = 0.5


@pytest.fixture(scope="module")
def sites(ground: Ground) -> tuple[Site, Site]:
    """Return two processes that share a Redis."""
    first = ground.site("-k", "gevent", STREAMEND_DELAY=DELAY)
    second = ground.site("-k", "gthread", "--threads", "40", STREAMEND_DELAY=DELAY)
    ground.worker(first)
    return first, second


@pytest.fixture
def site(sites: tuple[Site, Site]) -> Site:
    """Return one of them."""
    return sites[0]


def close_code(viewer: Client) -> int:
    """Wait for a viewer's socket to be closed and return the code."""
    try:
        viewer.receive(PATIENCE)
    except ConnectionClosed as closed:
        return int(closed.reason)
    raise AssertionError("the socket is open")


def order(site: Site, method: str, event_id: str) -> bool:
    """End or purge an event, and return whether it had a session."""
    status, body = site.get(f"/over/{method}/{event_id}")
    assert status == 200
    return body == "True"


def schedule(site: Site, event_id: str, delay: str = "") -> dict[str, object]:
    """Schedule an event's end and return its status then."""
    found: dict[str, object] = json.loads(site.get(f"/schedule/{event_id}{delay}")[1])
    return found


def marker(ground: Ground, site: Site, name: str) -> None:
    """Have another event end after what should not have, and its mail arrive."""
    schedule(site, name, "?delay=0.6")
    ground.told(name)


def test_an_end_without_any_viewer_can_be_scheduled(site: Site, ground: Ground) -> None:
    """An event no socket was ever open for ends after the delay, and its host is told."""
    asked = time.time()
    status = schedule(site, "bare", "?delay=0.7")
    assert (status["state"], status["clients"]) == ("ending", 0)
    mail = ground.told("bare")
    assert mail.at >= float(str(status["due_at"])) >= asked + 0.7
    assert "All viewers have disconnected from the stream." in mail.text()


def test_an_end_scheduled_while_viewers_are_there_waits_for_them(
    site: Site, ground: Ground
) -> None:
    """With somebody there nothing ends; the grace begins with the last leave."""
    viewer = site.watch("kept")
    ground.wait("kept", "live", 1)
    assert schedule(site, "kept", "?delay=0")["state"] == "live"
    marker(ground, site, "kept-marker")
    assert not ground.mails("kept")
    assert ground.status("kept").state == "live"
    left = time.time()
    viewer.close()
    assert ground.told("kept").at >= left + DELAY


def test_a_viewer_who_comes_cancels_a_scheduled_end(site: Site, ground: Ground) -> None:
    """Who comes within the delay keeps the event going."""
    with ground.held():
        scheduled = schedule(site, "saved", "?delay=0.5")
        viewer = site.watch("saved")
        assert ground.wait("saved", "live", 1).session == scheduled["session"]
    marker(ground, site, "saved-marker")
    assert not ground.mails("saved")
    viewer.close()
    ground.told("saved")


def test_stopping_closes_every_socket_in_every_process(
    sites: tuple[Site, Site], ground: Ground
) -> None:
    """The host's stop closes sockets with 4000 wherever they are held, and the notice says so."""
    first, second = sites
    viewers = [site.watch("stopped") for site in (first, second) for _ in range(3)]
    ground.wait("stopped", "live", 6)
    begun = ground.counter("sessions_begun")
    assert order(first, "end_event", "stopped")
    assert {close_code(viewer) for viewer in viewers} == {4000}
    mail = ground.told("stopped")
    assert "stream has ended. The stream was stopped." in mail.text()
    assert "The stream was stopped." in mail.text("html")
    assert ground.status("stopped").state == "idle"
    for site in sites:
        assert json.loads(site.get("/counts/stopped")[1])["event"] == 0
    assert ground.counter("sessions_begun") == begun


def test_a_stream_that_was_stopped_can_begin_again(
    sites: tuple[Site, Site], ground: Ground
) -> None:
    """A viewer who comes after the stop begins another session, which ends in a mail of its own."""
    viewer = sites[0].watch("again")
    ground.wait("again", "live", 1)
    order(sites[0], "end_event", "again")
    assert close_code(viewer) == 4000
    ground.told("again")
    sites[0].watch("again").close()
    eventually(lambda: len(ground.mails("again")) == 2, "the second session's mail")
    stopped, left = (mail.message["Message-ID"] for mail in ground.mails("again"))
    assert stopped != left


def test_a_response_that_streams_on_opens_no_session(site: Site, ground: Ground) -> None:
    """A streamed response can't be closed from outside: after the stop it is counted no more."""
    with Listener(site, "streams-on"):
        ground.wait("streams-on", "live", 1)
        assert order(site, "end_event", "streams-on")
        ground.told("streams-on")
        assert json.loads(site.get("/counts/streams-on")[1])["event"] == 0
        assert ground.status("streams-on").state == "idle"


def test_a_response_that_streams_on_shuts_nobody_out(site: Site, ground: Ground) -> None:
    """While one of a stopped session streams on, a newcomer begins another and is not closed."""
    with Listener(site, "newcomer"):
        ground.wait("newcomer", "live", 1)
        order(site, "end_event", "newcomer")
        ground.told("newcomer")
        viewer = site.watch("newcomer")
        eventually(lambda: ground.status("newcomer").clients == 1, "the newcomer is counted")
        assert viewer.receive(0.5) is None, "nothing was sent, and the socket was not closed"
        assert viewer.connected
        viewer.close()
        eventually(lambda: len(ground.mails("newcomer")) == 2, "the second session's mail")


def test_a_player_that_fetches_on_opens_no_session(site: Site, ground: Ground) -> None:
    """A player of the stopped session that is seen again opens no other."""
    site.get("/guest/seen/fetches/player")
    ground.wait("fetches", "live", 1)
    assert order(site, "end_event", "fetches")
    site.get("/guest/seen/fetches/player")
    assert ground.status("fetches").state == "idle"
    assert "The stream was stopped." in ground.told("fetches").text()


def test_stopping_in_the_grace_ends_at_once(site: Site, ground: Ground) -> None:
    """With nobody left the stop spares the host the rest of the grace; there is one mail."""
    site.watch("grace~own-600").close()
    ground.wait("grace~own-600", "ending")
    assert order(site, "end_event", "grace~own-600")
    assert "All viewers have disconnected" in ground.told("grace~own-600").text()
    assert not order(site, "end_event", "grace~own-600")
    ground.all_told()
    assert len(ground.mails("grace~own-600")) == 1


def test_stopping_what_is_not_there_does_nothing(site: Site, ground: Ground) -> None:
    """An event without a session can't be stopped or purged, and nobody is told."""
    assert not order(site, "end_event", "idle")
    assert not order(site, "purge", "idle")
    marker(ground, site, "idle-marker")
    assert not ground.mails("idle")


def test_a_purge_tells_nobody_and_counts_anew_who_is_there(
    sites: tuple[Site, Site], ground: Ground
) -> None:
    """Sockets that are really open are counted again as another session; guests are gone."""
    viewers = [site.watch("purged") for site in sites]
    sites[0].get("/guest/join/purged/ann")
    old = ground.wait("purged", "live", 3).session
    assert order(sites[0], "purge", "purged")
    status = ground.wait("purged", "live", 2)
    assert status.session != old
    assert all(viewer.connected for viewer in viewers)
    marker(ground, sites[0], "purged-marker")
    assert not ground.mails("purged")
    for viewer in viewers:
        viewer.close()
    ground.told("purged")


def test_a_purge_in_the_grace_tells_nobody(site: Site, ground: Ground) -> None:
    """An end that was pending is forgotten, and its alarm with it."""
    with ground.held():
        site.watch("forgotten").close()
        ground.wait("forgotten", "ending")
        assert order(site, "purge", "forgotten")
        assert ground.status("forgotten").state == "idle"
    marker(ground, site, "forgotten-marker")
    assert not ground.mails("forgotten")
    eventually(lambda: not ground.redis.keys("rq:job:*"), "no alarm is left")


def test_who_never_joined_is_no_end(site: Site, ground: Ground) -> None:
    """Asking for an event, or being refused, begins no session and tells nobody."""
    begun = ground.counter("sessions_begun")
    assert site.get("/ws/never")[0] == 426
    assert site.get("/ws/unknown-never")[0] == 404
    site.get("/guest/leave/never/ann")
    assert json.loads(site.get("/counts/never")[1])["state"] == "idle"
    marker(ground, site, "never-marker")
    assert ground.counter("sessions_begun") == begun + 1
    assert not ground.mails("never")


@pytest.mark.parametrize(
    ("event_id", "delay"),
    [
        ("grace-of-settings", DELAY),
        ("grace~own-3", 3),
        ("grace~host-4", 4),
        ("grace~host-4~own-2", 2),
        ("grace~own-0~host-4", 0),
        ("grace~own-86400", 86_400),
    ],
)
def test_the_grace_is_the_event_s_else_the_host_s_else_the_setting(
    site: Site, ground: Ground, event_id: str, delay: float
) -> None:
    """Event.delay comes before Preferences.delay, and that before STREAMEND_DELAY."""
    left = time.time()
    site.watch(event_id).close()
    site.process.wait_for(f"notification for event {event_id} in {delay:g} seconds")
    status = ground.status(event_id)
    if status.due_at is not None:
        assert status.due_at >= left + delay
    order(site, "purge", event_id)


def test_an_argument_s_delay_comes_before_the_event_s(site: Site, ground: Ground) -> None:
    """The delay given to schedule_end wins over the event's own; without one that counts."""
    schedule(site, "given~own-5", "?delay=700")
    site.process.wait_for("event given~own-5 in 700 seconds")
    schedule(site, "given~own-5")
    site.process.wait_for("event given~own-5 in 5 seconds")
    order(site, "purge", "given~own-5")


def test_twenty_flaps_are_one_end(sites: tuple[Site, Site], ground: Ground) -> None:
    """Who comes and goes twenty times, at two processes, is one session and one mail."""
    begun = ground.counter("sessions_begun")
    with ground.held():
        for number in range(20):
            left = time.time()
            sites[number % 2].watch("flaps~own-2").close()
    mail = ground.told("flaps~own-2")
    assert mail.at >= left + 2
    assert ground.counter("sessions_begun") == begun + 1
