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


#: Characters of a name in the subject: mail servers refuse very long lines.
LONGEST_NAME = 250
#: Unicode's embeddings, overrides and isolates: letters have their direction without them.
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")


def subject(names: Sequence[str]) -> str:
    """Return a subject, in one line: a line break in a name would begin another header."""
    if len(names) == 1:
        name = one_line(names[0])
        short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
        return f"Event Stream Ended - {short}"
    return f"{len(names)} Event Streams Ended"


def body(name: str, stopped: bool) -> str:
    """Return what is to be said of one event."""
    return f'Your event "{one_line(name)}" stream has ended. {HOW[stopped]}'


def short(name: str, stopped: bool, url: str) -> str:
    """Return the same as two lines: for what shows plain text and little of it."""
    return f"{one_line(body(name, stopped))}\n{BUTTON}: {url}"


def one_line(text: str) -> str:
    """Return a text as one line that can be written and says nothing of what follows it.

    White space and control characters become one space: a line break would begin another header,
    or a paragraph that looks like ours. What turns the direction of writing for the rest of a line
    is left out, and half a surrogate pair, which nothing can carry, becomes a question mark.
    """
    written = _TURNS.sub("", text.encode("utf-8", "replace").decode())
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", written).strip()
