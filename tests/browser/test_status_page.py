"""The status page in Chromium: what an operator sees come, end, fail, and stop answering."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

from flask_streamend.store.base import Change, Outcome
from flask_streamend.store.redis import RedisStore

from ..apps.store import LEASE, Web, pooled, take
from ..conftest import missing
from ..servers import Mailbox, Process, RedisServer, eventually, redis_program
from .conftest import MakePerson
from .site import TOKEN, Server

#: Longer than any test: an event that is ending goes on doing so.
DELAY = 600
OPERATOR = {"http_credentials": {"username": "", "password": TOKEN}}
PHONE = {"viewport": {"width": 360, "height": 780}}
HOSTILE = "550 <img src=x onerror=\"document.title='taken'\"> & <script>1</script>"


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Return a Redis that may be hung."""
    program = redis_program()
    if program is None:
        missing("redis-server", "apt-get install redis-server")
        return
    server = RedisServer(tmp_path_factory.mktemp("redis"), program)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def site(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return the tests' site with the page, a worker and a mailbox."""
    folder = tmp_path_factory.mktemp("status")
    mailbox = Mailbox(folder)
    server = Server(
        *("gunicorn", folder, redis_server.url),
        STREAMEND_STATUS_PAGE=True,
        STREAMEND_DELAY=DELAY,
        MAIL_SERVER="127.0.0.1",
        MAIL_PORT=mailbox.port,
    )
    command = [sys.executable, "-m", "flask", "streamend", "worker"]
    worker = Process(command, folder / "worker.log", server.env)
    yield server
    worker.stop()
    server.process.stop()
    mailbox.process.stop()


@pytest.fixture
def store(redis_server: RedisServer) -> Iterator[RedisStore]:
    """Return the site's store."""
    client = pooled(redis_server.url)
    yield RedisStore(client, "streamend")
    client.close()


@pytest.fixture
def operator(person: MakePerson, site: Server) -> Callable[..., Page]:
    """Return a function that opens the page, as somebody who knows the token."""

    def open_page(**options: object) -> Page:
        return person(**OPERATOR, **options).open(f"{site.url}/streamend/status")

    return open_page


def has(page: Page, section: str, *words: str) -> Locator:
    """Wait for the one row of a section that has all of these words."""
    rows = page.locator(f"#{section} :is(tbody tr, li)")
    for word in words:
        rows = rows.filter(has_text=word)
    eventually(
        lambda: rows.count() == 1,
        f"{words} in {section}: {page.locator(f'#{section}').text_content()}",
    )
    return rows


def verdict(page: Page, words: str) -> None:
    """Wait until the page says this of the whole."""
    eventually(
        lambda: words in (page.locator("#verdict").text_content() or ""),
        f"{words!r}, not {page.locator('#verdict').text_content()!r}",
    )


def left(row: Locator) -> int:
    """Return the seconds that an ending event has left, as the page counts them."""
    minutes, seconds = (row.locator(".clock").text_content() or "").split(":")
    return int(minutes) * 60 + int(seconds)


def test_it_shows_an_event_live_ending_and_told(
    operator: Callable[..., Page], person: MakePerson, site: Server
) -> None:
    """A viewer comes, leaves, and the host is told: the page follows by itself."""
    page = operator()
    viewer = person().open(f"{site.url}/page/evening-jam")
    row = has(page, "live", "evening-jam")
    assert row.locator("td").nth(1).text_content() == "1"
    viewer.close()
    row = has(page, "ending", "evening-jam")
    before = left(row)
    assert 0 < before <= DELAY
    assert "no host waits" not in (page.locator("#summary").text_content() or "")
    eventually(lambda: left(row) < before, "it counts down")
    site.end("evening-jam")
    has(page, "deliveries", "evening-jam", "told", "after ")
    eventually(lambda: page.locator("#ending li").count() == 0, "it is not ending any more")
    assert "nothing is ending, no host waits to be told." in (
        page.locator("#summary").text_content() or ""
    )
    assert "Nothing is ending" in (page.locator("#ending").text_content() or "")


def test_it_says_what_to_do_about_a_dead_letter(
    operator: Callable[..., Page], store: RedisStore
) -> None:
    """It stands above with its error and the commands, whatever a mail server wrote into it."""
    Web(store, "of-lost").send({"lost": 1})
    store.finish("lost", Change.STOPPED)
    delivery = take(store, "me").id
    assert store.sending(delivery, "me", LEASE)
    assert store.settle(delivery, "me", "email", Outcome.DEAD, HOSTILE, 0) >= 0
    page = operator()
    row = has(page, "dead", "lost", HOSTILE)
    for act in ("retry", "dismiss"):
        assert row.get_by_text(f"flask streamend {act} {delivery}", exact=True).is_visible()
    assert page.locator("#dead img, #dead script").count() == 0
    assert page.title() != "taken"
    store.dead("dismiss", delivery)
    eventually(lambda: page.locator("#dead").is_hidden(), "it was let go")


def test_it_says_what_to_do_about_a_problem(
    operator: Callable[..., Page], store: RedisStore
) -> None:
    """A problem has its code and its cure, as on the health page, until it is gone."""
    store.hold(LEASE)
    page = operator()
    has(page, "problems", "held", "flask streamend hold 0")
    store.hold(0)
    eventually(lambda: page.locator("#problems").get_by_text("held").count() == 0, "it is gone")


def test_it_fits_a_phone(operator: Callable[..., Page], store: RedisStore) -> None:
    """At 360 pixels nothing is wider than the screen, however long the names are."""
    name = "a" * 128
    Web(store, "of-phone", DELAY * 1000).send({name: 1234567})
    Web(store, "of-phone-too", DELAY * 1000).visit(f"b{name[1:]}")
    page = operator(**PHONE)
    has(page, "live", name)
    has(page, "ending", f"b{name[1:]}")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    for event in (name, f"b{name[1:]}"):
        store.finish(event, Change.PURGED)


def test_the_browser_s_clock_is_not_asked(
    operator: Callable[..., Page], person: MakePerson, site: Server, store: RedisStore
) -> None:
    """In a browser that lives in another year the time left is right all the same."""
    Web(store, "of-clock", DELAY * 1000).visit("clocked")
    page = person(**OPERATOR).context.new_page()
    page.clock.install(time="2001-01-01T00:00:00Z")
    page.goto(f"{site.url}/streamend/status")
    row = has(page, "ending", "clocked")
    eventually(lambda: 0 < left(row) <= DELAY, "the time that is left")
    store.finish("clocked", Change.PURGED)


def test_it_asks_nothing_while_nobody_looks(person: MakePerson, site: Server) -> None:
    """Hidden, the page leaves the server alone; shown again it asks at once."""
    page = person(**OPERATOR).context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.install()
    page.goto(f"{site.url}/streamend/status")
    data = f"{site.url}/streamend/status.json"
    eventually(lambda: page.locator("body").get_attribute("data-fresh") == "yes", "it was told")
    page.evaluate(_SHOWN, True)
    before = asked.count(data)
    assert before
    page.clock.run_for(60_000)
    page.evaluate("1")  # what was asked has been heard of
    assert asked.count(data) == before
    with page.expect_request(data):
        page.evaluate(_SHOWN, False)


#: Hide or show the page, as a browser does with a tab.
_SHOWN = """(hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_it_says_that_redis_is_away(
    operator: Callable[..., Page], redis_server: RedisServer, store: RedisStore
) -> None:
    """While Redis hangs the page says so, since when, and what it knows; then it recovers."""
    Web(store, "of-away", DELAY * 1000).visit("kept")
    page = operator()
    row = has(page, "ending", "kept")
    redis_server.hang()
    try:
        verdict(page, "Redis does not answer")
        away = page.locator("#away")
        eventually(away.is_visible, "it says since when")
        assert "last heard" in (away.text_content() or "")
        assert "old" in (page.locator("#ending").get_attribute("class") or "")
        assert row.is_visible(), "what was known stays"
        has(page, "problems", "redis-away")
    finally:
        redis_server.resume()
    eventually(away.is_hidden, "Redis is back")
    eventually(lambda: page.locator(".old").count() == 0, "everything is fresh")
    store.finish("kept", Change.PURGED)


def test_it_says_that_the_server_is_away(operator: Callable[..., Page], site: Server) -> None:
    """When no answer comes the page says so and dims what it shows; then it recovers."""
    page = operator()
    eventually(lambda: page.locator("body").get_attribute("data-fresh") == "yes", "it was told")
    site.process.signal(signal.SIGSTOP)
    try:
        verdict(page, "The server does not answer")
        assert "Last heard" in (page.locator("#fresh").text_content() or "")
        assert "old" in (page.locator("#live").get_attribute("class") or "")
    finally:
        site.process.signal(signal.SIGCONT)
    eventually(lambda: page.locator("body").get_attribute("data-fresh") == "yes", "it is back")
