"""One Chromium for the whole folder, a fresh context for each test, and the sites it visits."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

if TYPE_CHECKING:
    from playwright.sync_api import Browser

from ..conftest import missing
from .example import Example
from .site import Server
from .tabs import Person

ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MakePerson = Callable[..., Person]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Return Debian's Chromium.

    Not for the whole run: while it is there an event loop runs in this thread, and no other test
    could run one.
    """
    program = shutil.which("chromium")
    if program is None:
        missing("chromium", "apt-get install chromium")
        return
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright", "pip install playwright")
        return
    with sync_playwright() as playwright:
        # People's browsers have the back/forward cache; Playwright's default is to turn it off.
        chromium = playwright.chromium.launch(
            executable_path=program,
            args=ARGS,
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield chromium
        chromium.close()


@pytest.fixture
def person(browser: Browser) -> Iterator[MakePerson]:
    """Return a function that makes a person; in the end none of their pages had an error."""
    people: list[Person] = []

    def make(**options: Any) -> Person:
        people.append(Person(browser.new_context(**options)))
        return people[-1]

    yield make
    complaints = [complaint for one in people for complaint in one.complaints()]
    for one in people:
        one.context.close()
    assert complaints == []


def _emptied(port: int) -> str:
    url = f"redis://127.0.0.1:{port}/0"
    with Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture(scope="module")
def example(_redis_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """Return the example site, which a module's tests share: each has an event of its own."""
    site = Example(tmp_path_factory.mktemp("example"), _emptied(_redis_port))
    yield site
    site.stop()


@pytest.fixture(scope="module")
def serve(
    _redis_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Server]]:
    """Return a function that starts the tests' site under a server, once for a module."""
    folder, url = tmp_path_factory.mktemp("site"), _emptied(_redis_port)
    started: dict[str, Server] = {}

    def start(kind: str) -> Server:
        if kind not in started:
            started[kind] = Server(kind, folder, url)
        return started[kind]

    yield start
    for server in started.values():
        server.process.kill()


@pytest.fixture
def server(serve: Callable[[str], Server]) -> Server:
    """Return the tests' site under gunicorn."""
    return serve("gunicorn")
