"""Who is let in: every refusal, before the handshake and to a plain GET, by code and by count."""

from __future__ import annotations

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier

import pytest

from .ground import Ground
from .servers import PATIENCE, Site, eventually

REASONS = ("bad_event_id", "viewer", "token", "origin", "no_such_event", "limit", "draining")
Answer = tuple[int, str]
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


class Knocker:
    """Knocks at a site's sockets, keeping those that open."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.opened: list[http.client.HTTPConnection] = []

    def knock(self, path: str, **headers: str) -> Answer:
        """Ask for a handshake and return status and code of the answer."""
        line = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=PATIENCE)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        line.request("GET", f"/ws/{path}", headers={**UPGRADE, **names})
        response = line.getresponse()
        if response.status == 101:
            # The connection is let go of with its response, unless somebody keeps that.
            line.response_kept = response  # type: ignore[attr-defined]
            self.opened.append(line)
            return 101, ""
        with closing(line):
            return response.status, json.loads(response.read())["error"]

    def hang_up(self) -> None:
        """Close what is open."""
        while self.opened:
            line = self.opened.pop()
            line.response_kept.close()  # type: ignore[attr-defined]
            line.close()


def both(knocker: Knocker, path: str) -> Answer:
    """Return the answer to a handshake, which a plain GET gets too."""
    status, body = knocker.site.get(f"/ws/{path}")
    plain = status, json.loads(body)["error"]
    assert knocker.knock(path) == plain
    assert json.loads(body)["message"]
    return plain


def refusals(site: Site) -> dict[str, int]:
    """Return the refusals by reason, as the metrics page has them."""
    found = {}
    for reason in REASONS:
        value = site.metric(f'streamend_refusals_total{{reason="{reason}"}}')
        assert value is not None, f"{reason} is on the page from the first scrape"
        found[reason] = int(value)
    return found


@pytest.fixture(scope="module")
def site(ground: Ground) -> Site:
    """Return a site that asks who is signed in."""
    return ground.site(SITE_VIEWERS=True)


@pytest.fixture(scope="module")
def cookie(site: Site) -> str:
    """Return the cookie of somebody who is signed in."""
    line = http.client.HTTPConnection("127.0.0.1", site.port, timeout=PATIENCE)
    with closing(line):
        line.request("GET", "/login/ann")
        given = line.getresponse().getheader("Set-Cookie")
    assert given is not None
    return given.partition(";")[0]


@pytest.fixture
def knocker(site: Site) -> Knocker:
    """Return somebody who knocks at that site."""
    return Knocker(site)


def test_the_doctor_s_knock_is_no_refused_viewer(knocker: Knocker) -> None:
    """What is reserved is refused as no event's id, and not counted among refused viewers."""
    before = refusals(knocker.site)
    assert both(knocker, "_other") == (400, "bad-event-id")
    assert refusals(knocker.site) == before


@pytest.mark.parametrize(
    ("path", "answer", "reason"),
    [
        ("not%20an%20id", (400, "bad-event-id"), "bad_event_id"),
        ("a/b", (400, "bad-event-id"), "bad_event_id"),
        ("x" * 129, (400, "bad-event-id"), "bad_event_id"),
        ("jam", (403, "viewer-refused"), "viewer"),
        ("raise-jam", (403, "viewer-refused"), "viewer"),
        ("jam?token=forged", (403, "token-refused"), "token"),
        ("jam?token=", (403, "token-refused"), "token"),
        ("unknown-jam", (404, "no-such-event"), "no_such_event"),
    ],
)
def test_a_refusal_is_an_answer_with_a_code_and_is_counted(
    knocker: Knocker, path: str, answer: Answer, reason: str
) -> None:
    """A handshake and a plain GET get the same status and code, and each is counted."""
    before = refusals(knocker.site)
    assert both(knocker, path) == answer
    after = refusals(knocker.site)
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {
        reason: 2
    }


def test_the_viewer_loader_sees_the_request(knocker: Knocker, cookie: str) -> None:
    """Who is signed in by the application's session cookie is let in."""
    assert knocker.knock("jam", Cookie=cookie) == (101, "")
    assert knocker.knock("jam", Cookie="session=forged") == (403, "viewer-refused")
    assert knocker.knock("raise-jam", Cookie=cookie) == (403, "viewer-refused")
    knocker.hang_up()


def test_a_join_token_opens_its_event_without_the_loader(knocker: Knocker) -> None:
    """A token lets its bearer in, to its own event and to no other."""
    token = knocker.site.get("/token/jam")[1]
    assert knocker.knock(f"jam?token={token}") == (101, "")
    knocker.hang_up()
    assert both(knocker, f"gig?token={token}") == (403, "token-refused")
    assert "is for another event" in knocker.site.get(f"/ws/gig?token={token}")[1]


def test_an_expired_token_is_refused(knocker: Knocker) -> None:
    """A token is good for as long as it was made for."""
    token = knocker.site.get("/token/jam?expires=0.001")[1]
    assert both(knocker, f"jam?token={token}") == (403, "token-refused")
    assert "has expired" in knocker.site.get(f"/ws/jam?token={token}")[1]


@pytest.mark.parametrize("change", [slice(0, -1), slice(1, None)])
def test_a_changed_token_is_refused(knocker: Knocker, change: slice) -> None:
    """A token with a character less is nobody's."""
    token = knocker.site.get("/token/jam")[1][change]
    assert both(knocker, f"jam?token={token}") == (403, "token-refused")


def test_a_page_of_another_site_is_refused_at_the_handshake(knocker: Knocker, cookie: str) -> None:
    """A foreign Origin is refused whoever is signed in; the site's own is let in."""
    before = refusals(knocker.site)["origin"]
    foreign = knocker.knock("jam", Cookie=cookie, Origin="https://evil.example.net")
    assert foreign == (403, "origin-refused")
    assert refusals(knocker.site)["origin"] == before + 1
    own = f"https://127.0.0.1:{knocker.site.port}"
    assert knocker.knock("jam", Cookie=cookie, Origin=own) == (101, "")
    knocker.hang_up()


@pytest.fixture(scope="module")
def limited(ground: Ground) -> Site:
    """Return a site with threads and limits."""
    return ground.site(
        *("-k", "gthread", "--threads", "80"),
        STREAMEND_MAX_CLIENTS=10,
        STREAMEND_MAX_CLIENTS_PER_EVENT=7,
    )


def test_limits_are_exact_however_many_come_at_once(limited: Site, ground: Ground) -> None:
    """Of fifty who connect at once as many get in as there are places, of event and process."""
    knocker, before = Knocker(limited), refusals(limited)["limit"]

    def crowd(event: str) -> list[int]:
        barrier = Barrier(50)

        def come(_: int) -> int:
            barrier.wait()
            return knocker.knock(event)[0]

        with ThreadPoolExecutor(50) as threads:
            return sorted(threads.map(come, range(50)))

    assert crowd("full") == [101] * 7 + [429] * 43
    assert crowd("gig") == [101] * 3 + [429] * 47
    assert both(knocker, "full") == (429, "limit-reached")
    assert both(knocker, "other") == (429, "limit-reached")
    assert refusals(limited)["limit"] == before + 43 + 47 + 4
    elsewhere = ground.site(STREAMEND_MAX_CLIENTS=10)
    eventually(
        lambda: elsewhere.get("/ws/other")[0] == 429, "another process hears that there are ten"
    )
    knocker.hang_up()
    eventually(lambda: limited.get("/ws/full")[0] == 426, "there are places again")
