"""A person with a browser: tabs, and what the browser complained about in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, WebError

from ..servers import eventually


class Person:
    """A browser's context of its own: cookies, tabs, complaints.

    ``allowed`` has patterns of the console errors, each with its address, that a test itself brings
    about. What matches none of them is a complaint, and so is every error a script did not catch.
    """

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.allowed: tuple[str, ...] = ()
        self._errors: list[str] = []
        context.on("console", self._console)
        context.on("weberror", self._uncaught)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "assert"}:
            self._errors.append(f"{message.text} at {message.location['url']}")

    def _uncaught(self, error: WebError) -> None:
        self._errors.append(f"uncaught: {error.error}")

    def complaints(self) -> list[str]:
        """Return what no page may make a browser say."""
        return [
            error
            for error in self._errors
            if not any(re.fullmatch(pattern, error) for pattern in self.allowed)
        ]

    def open(self, url: str) -> Page:
        """Open an address in a new tab."""
        tab = self.context.new_page()
        tab.goto(url)
        return tab


def reads(place: Locator, text: str) -> None:
    """Wait until a place of a page reads so."""
    eventually(lambda: place.text_content() == text, f"{place} reads {text!r}")


def asked(tab: Page, expression: str) -> Any:
    """Return an expression's value in a page; None where the page loads itself anew just then."""
    from playwright.sync_api import Error

    try:
        return tab.evaluate(expression)
    except Error as error:
        if "context was destroyed" in error.message:
            return None
        raise


class Watching:
    """A page of the tests' site, with what its ``listen.js`` wrote down.

    :param page: the tab it is open in.
    """

    def __init__(self, page: Page) -> None:
        self.page = page

    def seen(self, what: str) -> list[Any]:
        """Return everything of one kind so far."""
        found: list[Any] = self.page.evaluate(f"window.seen.{what}")
        return found

    def states(self) -> list[str]:
        """Return the states streamend.js told, in order."""
        return [told["state"] for told in self.seen("states")]

    def wait(self, *states: str) -> None:
        """Wait until it has told exactly these states."""
        eventually(lambda: self.states() == list(states), f"{states}, not {self.states()}")
