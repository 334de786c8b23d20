"""streamend.js in Chromium, against the extension."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ..servers import eventually
from ..viewers import CLOSE, RawViewer, close_code
from .conftest import MakePerson
from .site import COMMANDS, Server
from .tabs import Watching

#: More than any wait between two attempts, in milliseconds of the page's clock.
LONG = 120_000


def watch(person: MakePerson, server: Server, event_id: str, query: str = "") -> Watching:
    """Open an event's page."""
    return Watching(person().open(f"{server.url}/page/{event_id}{query}"))


def refused(person: MakePerson, server: Server, event_id: str, status: str) -> Watching:
    """Open the page of an event that refuses its viewer, with a clock that can be moved."""
    someone = person()
    someone.allowed = (
        rf"WebSocket connection to 'ws://[^']*/ws/{event_id}\?count=1' failed: Error during"
        rf" WebSocket handshake: Unexpected response code: {status[:3]}"
        r" at http://[^/]+/static/listen\.js",  # which makes every socket of these pages
        rf"Failed to load resource: the server responded with a status of {status[:3]}"
        rf" \({status[4:]}\) at http://[^/]+/ws/{event_id}\?count=1",
    )
    tab = someone.context.new_page()
    tab.clock.install()
    tab.goto(f"{server.url}/page/{event_id}")
    return Watching(tab)


def tempt(page: Watching) -> None:
    """Give a page every occasion to open its socket again, and then a late one."""
    page.page.clock.run_for(LONG)
    page.page.evaluate("dispatchEvent(new Event('online'))")
    page.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    page.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.page.clock.run_for(LONG)
    # An attempt begun above has reached the server before this answer comes from it.
    page.page.evaluate("fetch('/elsewhere').then((reply) => reply.text())")


def counted(page: Watching, clients: int) -> None:
    """Wait until this many viewers is the last a page was told."""
    eventually(
        lambda: [told["clients"] for told in page.seen("counts")][-1:] == [clients],
        f"{clients} watch, not {page.seen('counts')}",
    )


def test_it_connects_and_is_live(person: MakePerson, server: Server) -> None:
    """The page is told ``connecting``, then ``live``, each with the event."""
    page = watch(person, server, "plain")
    page.wait("connecting", "live")
    assert page.seen("states") == [
        {"event": "plain", "state": "connecting"},
        {"event": "plain", "state": "live"},
    ]
    assert server.handshakes("plain") == 1


def test_the_page_is_told_how_many_watch(person: MakePerson, server: Server) -> None:
    """Each viewer hears of who comes and who goes."""
    first = watch(person, server, "counted")
    counted(first, 1)
    second = watch(person, server, "counted")
    counted(first, 2)
    counted(second, 2)
    second.page.close()
    counted(first, 1)
    assert {told["event"] for told in first.seen("counts")} == {"counted"}


@pytest.mark.parametrize(
    ("event_id", "status", "code", "words"),
    [
        pytest.param("unknown-1", "404 NOT FOUND", "no-such-event", "unknown-1", id="404"),
        pytest.param("members-1", "403 FORBIDDEN", "viewer-refused", "viewer loader", id="403"),
    ],
)
def test_a_refusal_is_final(
    person: MakePerson, server: Server, event_id: str, status: str, code: str, words: str
) -> None:
    """The page is told the refusal's code and sentence, and nobody comes to the server again."""
    page = refused(person, server, event_id, status)
    page.wait("connecting", "refused")
    told: dict[str, Any] = page.seen("states")[-1]
    assert told["code"] == code
    assert words in told["message"]
    tempt(page)
    assert page.states() == ["connecting", "refused"]
    assert server.handshakes(event_id) == 1


@pytest.mark.parametrize("kind", COMMANDS)
def test_an_end_is_final(person: MakePerson, serve: Callable[[str], Server], kind: str) -> None:
    """``end_event`` closes the socket with 4000, the page is told ``ended`` and stays away."""
    server, event_id = serve(kind), f"stopped-under-{kind.replace(' ', '-')}"
    tab = person().context.new_page()
    tab.clock.install()
    tab.goto(f"{server.url}/page/{event_id}")
    page = Watching(tab)
    page.wait("connecting", "live")
    server.end(event_id)
    page.wait("connecting", "live", "ended")
    eventually(lambda: page.seen("closes"), "the socket is closed")
    assert page.seen("closes") == [{"code": 4000, "wasClean": True}]
    tempt(page)
    assert page.states() == ["connecting", "live", "ended"]
    assert server.handshakes(event_id) == 1


@pytest.mark.parametrize("kind", COMMANDS)
def test_the_close_frame_is_the_last_thing_sent(serve: Callable[[str], Server], kind: str) -> None:
    """No server writes an HTTP response behind it, where a browser would read a broken frame."""
    server, event_id = serve(kind), f"raw-under-{kind.replace(' ', '-')}"
    viewer = RawViewer(server.port, event_id)
    try:
        server.wait(event_id, "live", 1)
        server.end(event_id)
        last = viewer.read()
        assert last is not None
        assert (last[0], close_code(last[1])) == (CLOSE, 4000)
        assert viewer.sock.recv(1000) == b""
    finally:
        viewer.close()


def test_a_token_in_the_tag_lets_a_viewer_in(person: MakePerson, server: Server) -> None:
    """Where the viewer loader refuses, ``data-token`` opens the door."""
    page = watch(person, server, "members-2", "?member=yes")
    page.wait("connecting", "live")
    server.wait("members-2", "live", 1)


def test_it_works_under_a_policy_without_inline_script(person: MakePerson, server: Server) -> None:
    """Under ``default-src 'self'`` it connects and counts, and breaks nothing of the policy."""
    tab = person().context.new_page()
    reply = tab.goto(f"{server.url}/page/strict")
    assert reply is not None
    assert reply.headers["content-security-policy"] == "default-src 'self'"
    assert tab.locator("script:not([src])").count() == 0
    page = Watching(tab)
    page.wait("connecting", "live")
    counted(page, 1)
    assert page.seen("violations") == []


def test_leaving_the_page_is_said_at_once(person: MakePerson, server: Server) -> None:
    """Who goes elsewhere is counted no more, though pings are ten minutes apart."""
    page = watch(person, server, "left")
    server.wait("left", "live", 1)
    page.page.goto(f"{server.url}/elsewhere")
    server.wait("left", "ending", 0)


def test_going_back_brings_the_viewer_back(person: MakePerson, server: Server) -> None:
    """The page comes from the back/forward cache as it was left, and connects again."""
    page = watch(person, server, "backed")
    session = server.wait("backed", "live", 1)["session"]
    page.page.goto(f"{server.url}/elsewhere")
    server.wait("backed", "ending", 0)
    page.page.go_back(wait_until="commit")  # nothing is loaded: there is no "load"
    assert server.wait("backed", "live", 1)["session"] == session
    page.wait("connecting", "live", "reconnecting", "live")
    assert page.seen("shows") == [False, True]


def test_a_reload_is_no_end(person: MakePerson, server: Server) -> None:
    """A page that is loaded again within the grace period goes on in the same session."""
    page = watch(person, server, "reloaded")
    session = server.wait("reloaded", "live", 1)["session"]
    page.page.reload()
    page.wait("connecting", "live")
    status = server.wait("reloaded", "live", 1)
    assert status["session"] == session
    assert status["due_at"] is None
    assert server.handshakes("reloaded") == 2
