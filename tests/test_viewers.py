"""Viewers without our socket, and events that several processes share."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from simple_websocket import Client

from .ground import Ground
from .listener import Listener
from .servers import Site, eventually


@pytest.fixture(scope="module")
def sites(ground: Ground) -> tuple[Site, Site]:
    """Return two processes that share a Redis, one with greenlets and one with threads."""
    first = ground.site("-k", "gevent", STREAMEND_DELAY=0.5)
    second = ground.site("-k", "gthread", "--threads", "70", STREAMEND_DELAY=0.5)
    ground.worker(first)
    return first, second


def counts(site: Site, event_id: str) -> tuple[int, int, str]:
    """Return what a process answers: an event's viewers, everybody's, the event's state."""
    found = json.loads(site.get(f"/counts/{event_id}")[1])
    return found["event"], found["total"], found["state"]


def test_a_streamed_response_counts_for_as_long_as_it_lasts(
    sites: tuple[Site, Site], ground: Ground
) -> None:
    """A viewer of a streamed response is counted in every process, and its end is told."""
    listeners = [Listener(site, "sse") for site in sites]
    for site in sites:
        eventually(lambda site=site: counts(site, "sse") == (2, 2, "live"), "both are counted")  # type: ignore[misc]
    for listener in listeners:
        listener.leave()
    assert ground.told("sse").at >= ground.due("sse")


def test_who_joins_in_one_process_may_leave_in_another(
    sites: tuple[Site, Site], ground: Ground
) -> None:
    """Guests are the store's: repeats don't count, and any process may say that one left."""
    first, second = sites
    for site in (first, first, second):
        assert site.get("/guest/join/guests/ann")[0] == 200
    second.get("/guest/join/guests/bob")
    assert counts(first, "guests")[0] == counts(second, "guests")[0] == 2
    assert first.metric('streamend_event_clients{event_id="guests"}') == 2
    second.get("/guest/leave/guests/ann")
    second.get("/guest/leave/guests/ann")
    assert counts(first, "guests")[0] == 1
    with ground.held():
        first.get("/guest/leave/guests/bob")
        assert counts(second, "guests") == (0, 0, "ending")
    assert ground.told("guests").message["To"] == "host@example.org"


def test_a_player_that_is_seen_no_more_is_gone(sites: tuple[Site, Site], ground: Ground) -> None:
    """A player that fetches watches until its time is up, counted from the last fetch."""
    first, second = sites
    asked = time.time()
    first.get("/guest/seen/hls/player?ttl=1")
    second.get("/guest/seen/hls/player?ttl=2")
    first.get("/guest/seen/hls/player?ttl=1")
    mail, due = ground.told("hls"), ground.due("hls")
    assert mail.at >= due >= asked + 2 + 0.5


def test_a_guest_s_name_is_not_in_redis(sites: tuple[Site, Site], ground: Ground) -> None:
    """What an application calls a viewer, often an address, is kept as a pseudonym."""
    sites[0].get("/guest/join/named/ann@example.org")
    everything = b"".join(ground.redis.dump(key) or b"" for key in ground.redis.keys("*"))
    assert b"ann@" not in everything
    sites[1].get("/guest/leave/named/ann@example.org")
    ground.told("named")


def test_two_processes_agree_on_sockets(sites: tuple[Site, Site], ground: Ground) -> None:
    """Each process shows, by page and by call, what both of them hold, at once after a leave."""
    first, second = sites
    mine, theirs = [first.watch("both") for _ in range(3)], [second.watch("both") for _ in range(2)]
    ground.wait("both", "live", 5)
    for site in sites:
        assert counts(site, "both")[0] == 5
        assert site.metric('streamend_event_clients{event_id="both"}') == 5
    mine.pop().close()
    eventually(lambda: counts(first, "both")[0] == 4, "its own leave is in a process's answer")
    assert counts(second, "both")[0] == 4
    for viewer in (*mine, *theirs):
        viewer.close()
    ground.told("both")


def shared(ground: Ground) -> Counter[str]:
    """Return how many mails there are about each of the shared events."""
    names = (str(mail.message["Subject"]).rpartition("The ")[2] for mail in ground.mailbox.mails())
    return Counter(name for name in names if name.startswith("shared"))


def held(ground: Ground, events: list[str], viewers: int) -> None:
    """Wait until each event has this many viewers."""
    eventually(
        lambda: {status.clients for status in ground.store.status(events)} == {viewers},
        f"{viewers} viewers of each",
    )


def test_an_event_ends_when_the_last_of_two_processes_is_left(
    sites: tuple[Site, Site], ground: Ground
) -> None:
    """Fifty events watched at two processes: one leaves, nobody is told; the other, fifty are."""
    first, second = sites
    events = [f"shared{number}" for number in range(50)]
    with ThreadPoolExecutor(10) as threads:
        mine = list(threads.map(first.watch, events))
        theirs = list(threads.map(second.watch, events))
        held(ground, events, 2)
        list(threads.map(Client.close, mine))
        held(ground, events, 1)
        # An end that was begun wrongly would be due before this one.
        first.get("/schedule/marker?delay=1")
        ground.told("marker")
        assert not shared(ground)
        assert {ground.status(event).state for event in events} == {"live"}
        list(threads.map(Client.close, theirs))
    eventually(lambda: shared(ground).keys() == set(events), "fifty mails")
    ground.all_told()
    assert set(shared(ground).values()) == {1}
