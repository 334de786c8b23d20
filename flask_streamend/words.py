"""What a host is told, in words: one wording, which every channel takes its share of."""

from __future__ import annotations

import re
from collections.abc import Sequence

TITLE = "Event Stream Completed"
SUBTITLE = "Your event stream has ended"
DIGEST_TITLE = "Event Streams Completed"
DIGEST_SUBTITLE = "Your event streams have ended"
HOW = {
    False: "All viewers have disconnected from the stream.",
    True: "The stream was stopped.",
}
BUTTON = "View Event Dashboard"


def subject(names: Sequence[str]) -> str:
    """Return a subject, in one line: a line break in a name would begin another header."""
    if len(names) == 1:
        return f"Event Stream Ended - {one_line(names[0])}"
    return f"{len(names)} Event Streams Ended"


def body(name: str, stopped: bool) -> str:
    """Return what is to be said of one event."""
    return f'Your event "{name}" stream has ended. {HOW[stopped]}'


def short(name: str, stopped: bool, url: str) -> str:
    """Return the same as two lines: for what shows plain text and little of it."""
    return f"{one_line(body(name, stopped))}\n{BUTTON}: {url}"


def one_line(text: str) -> str:
    """Return a text with every run of white space and control characters made one space."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text).strip()
