"""Play a visit with real WebSockets: three viewers come, one reloads, all leave, a mail arrives."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from simple_websocket import Client
from simple_websocket.errors import SimpleWebsocketError

from example_app import letters
from example_app.ports import HERE
from example_app.stack import Stack
from example_app.waiting import Failed, pause, wait_for

EVENT, NAME = "friday-jam", "Friday jam"
NOTICED = 20.0  # s within which the site must have noticed who came or left
OVERTIME = 20.0  # s the mail may come after it was due


class Visit:
    """Tell what happens while it happens."""

    def __init__(self, stack: Stack) -> None:
        """Prepare a visit to the site that the stack runs."""
        self.stack = stack
        self.began = time.monotonic()

    def play(self) -> None:
        """Play the visit to its end, the mail.

        :raises Failed: where the site doesn't do what it should.
        """
        stack = self.stack
        before = set(letters.names(stack.mailbox))
        self.began = time.monotonic()
        viewers = [self.open() for _ in range(3)]
        try:
            self.until(clients=3)
            self.tell(f'three viewers open "{NAME}"', "viewers 3")
            self.at(1.0)
            leave(viewers.pop())
            self.until(clients=2)
            pause(0.4)  # what a browser takes to load the page again
            viewers.append(self.open())
            self.until(clients=3)
            quiet = "nothing is sent: a reload is not an end"
            self.tell("one reloads the page", f"viewers 2 … 3    {quiet}", at=1.0)
            self.at(2.0)
        finally:
            for viewer in viewers:
                leave(viewer)
        ending = self.until(state="ending")
        self.tell("all leave", f"ending, due in {ending['due_in']:.1f} s", at=2.0)
        self.mail(ending["due_at"], before)

    def open(self) -> Client:
        """Open the event's socket, as the watch page does."""
        try:
            return Client.connect(f"ws://{HERE}:{self.stack.port}/ws/{EVENT}")
        except (SimpleWebsocketError, OSError) as error:
            raise Failed(
                f"A viewer was not let in: {error or type(error).__name__}.", "site"
            ) from error

    def until(self, **expected: object) -> Any:
        """Wait until the site's own JSON says so, and return all it says."""

        def look() -> Any:
            now = self.stack.ask(f"/api/events/{EVENT}")[1]
            return now if now and expected.items() <= now.items() else None

        words = ", ".join(f"{key} {value}" for key, value in expected.items())
        return wait_for(
            look, NOTICED, f"The site did not say {words} within {NOTICED:g} s.", log="site"
        )

    def mail(self, due: float, before: set[str]) -> None:
        """Wait for the mail and tell how late it was."""
        left = max(0.0, due - time.time())

        def look() -> letters.Letter | None:
            self.stack.check()
            new = [name for name in letters.names(self.stack.mailbox) if name not in before]
            return letters.read(self.stack.mailbox, new[-1]) if new else None

        reason = f"No mail came within {OVERTIME:g} s of the moment it was due."
        letter = wait_for(look, left + OVERTIME, reason, log="worker")
        late = (letter.arrived - due) * 1000
        if late < 0:
            raise Failed(f"The mail came {-late:.0f} ms before it was due.", "worker")
        self.tell(
            describe(letter), f'"{letter.header("Subject")}"   {late:.0f} ms after it was due'
        )

    def at(self, seconds: float) -> None:
        """Wait for that moment of the visit."""
        pause(max(0.0, self.began + seconds - time.monotonic()))

    def tell(self, what: str, result: str, at: float | None = None) -> None:
        """Print one line: when, what, and what came of it."""
        when = time.monotonic() - self.began if at is None else at
        print(f"{when:4.1f} s  {what:<39} {result}")


def leave(viewer: Client) -> None:
    """Close the socket, if it still is open."""
    with suppress(SimpleWebsocketError, OSError):
        viewer.close()


def describe(letter: letters.Letter) -> str:
    """Say who got a mail, without the address."""
    mailbox, _, domain = letter.header("To").rpartition("@")
    return f"mail to {mailbox.strip('<')[:1]}***@{domain}"
