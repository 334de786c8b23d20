"""What a notice is about, in one line."""

from __future__ import annotations

import re


def subject(name: str) -> str:
    """Return the subject of an event's notice.

    One line, whatever the name holds: a line break here would begin another header.
    """
    return f"Event Stream Ended - {one_line(name)}"


def one_line(text: str) -> str:
    """Return a text with every run of white space and control characters made one space."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text).strip()
