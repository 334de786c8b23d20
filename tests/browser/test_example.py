"""The example site in Chromium: gunicorn with two gevent workers, Redis, an RQ worker, mails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

from ..servers import eventually
from .conftest import MakePerson
from .example import Example
from .tabs import Person, asked, reads

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}

#: All that Chromium may say while a server stops, is away and comes back: of the socket, of why it
#: was refused (asked over a connection that is still open to the stopping process, or of the server
#: that has come back meanwhile and would let it in), of the stream and the JSON.
DROPPED = (
    r"WebSocket connection to 'ws://[^']+/ws/slow-morning\?count=1' failed: "
    r"(Error in connection establishment: net::ERR_CONNECTION_(REFUSED|RESET)"
    r"|Error during WebSocket handshake: net::ERR_CONNECTION_(CLOSED|RESET)"
    r"|Error during WebSocket handshake: Unexpected response code: 503"
    r"|Connection closed before receiving a handshake response"
    r") at http://[^/]+/streamend/streamend\.js",
    r"Failed to load resource: the server responded with a status of"
    r" (503 \(SERVICE UNAVAILABLE\)|426 \(UPGRADE REQUIRED\))"
    r" at http://[^/]+/ws/slow-morning\?count=1",
    r"Failed to load resource: net::ERR_INCOMPLETE_CHUNKED_ENCODING"
    r" at http://[^/]+/stream/slow-morning\?socket",
    r"Failed to load resource: net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE)"
    r" at http://[^/]+/(ws/slow-morning\?count=1|stream/slow-morning\?socket|api/events/slow-morning)",
)


def watching(tab: Page, viewers: int) -> None:
    """Wait until a watch page shows this many viewers and that it is connected."""
    reads(tab.locator("[data-watching]"), f"{viewers} watching")
    reads(tab.locator("#link"), "Connected")


def fits(tab: Page) -> bool:
    """Return whether a phone's page is as wide as its screen, no less and no more."""
    widths = "[innerWidth, document.documentElement.scrollWidth]"
    found: list[int] = eventually(lambda: asked(tab, widths), "the page answers")
    return found == [390, 390]


def letter_after(someone: Person, example: Example, event_id: str, name: str) -> Page:
    """Watch an event, leave it, and open its mail from the mailbox page, which finds it itself."""
    mailbox = someone.open(f"{example.url}/mailbox")
    watch = someone.open(f"{example.url}/watch/{event_id}")
    watching(watch, 1)
    watch.close()
    mailbox.get_by_role("link", name=f"Event Stream Ended - {name}").click()
    text = "All viewers have disconnected from the stream."
    mailbox.frame_locator("iframe").get_by_text(text).wait_for()
    return mailbox


def test_two_tabs_count_each_other(person: MakePerson, example: Example) -> None:
    """Both tabs show "2 watching"; when one is closed the other shows 1."""
    someone = person()
    first = someone.open(f"{example.url}/watch/friday-jam")
    watching(first, 1)
    second = someone.open(f"{example.url}/watch/friday-jam")
    watching(first, 2)
    watching(second, 2)
    first.close()
    watching(second, 1)


def test_the_mail_leads_to_the_host_s_page(person: MakePerson, example: Example) -> None:
    """When the last tab is closed the mail arrives, and its button leads to where it is listed."""
    tab = letter_after(person(), example, "harbour-rain", "Rain over the harbour")
    letter = tab.frame_locator("iframe")
    letter.get_by_role("link", name="View Event Dashboard").click()
    tab.wait_for_url(f"{example.url}/events/harbour-rain")
    notice = tab.locator(".mails li")
    notice.wait_for()  # there is one; where there were more this would fail
    assert notice.get_attribute("data-status") == "sent"
    reads(notice.locator(".subject"), "Event Stream Ended - Rain over the harbour")
    reads(tab.locator("#say"), "Nobody is watching")


def test_a_page_outlives_the_server(person: MakePerson, example: Example) -> None:
    """The server is restarted under an open page, which connects and is counted again."""
    someone = person()
    someone.allowed = DROPPED
    tab = someone.open(f"{example.url}/watch/slow-morning")
    watching(tab, 1)
    example.stop_server()
    reads(tab.locator("#link"), "Reconnecting")
    tab.locator("#hint").get_by_text("The stream is interrupted").wait_for()
    example.start_server()
    watching(tab, 1)
    other = someone.open(f"{example.url}/watch/slow-morning")
    watching(other, 2)
    watching(tab, 2)
    tab.locator("#hint").wait_for(state="hidden")


@pytest.mark.parametrize("path", ["/", "/events/night-bus", "/mailbox", "/signin"])
def test_a_page_fits_a_phone(person: MakePerson, example: Example, path: str) -> None:
    """On a screen of 390 by 844 nothing has to be scrolled sideways."""
    tab = person(**PHONE).open(example.url + path)
    assert fits(tab)


def test_a_mail_fits_a_phone(person: MakePerson, example: Example) -> None:
    """Neither the page of a mail nor the mail itself has to be scrolled sideways there."""
    tab = letter_after(person(**PHONE), example, "night-bus", "Night bus home")
    assert fits(tab)
    html = tab.frame_locator("iframe").locator("html")
    assert html.evaluate("(html) => html.scrollWidth <= html.clientWidth")


def test_the_watch_page_works_on_a_phone(person: MakePerson, example: Example) -> None:
    """It connects and counts, and the whole width of the picture is on the screen."""
    tab = person(**PHONE).open(f"{example.url}/watch/night-bus")
    watching(tab, 1)
    box = tab.locator("#pond").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert fits(tab)
