"""A notice's optional lines: when the session began, how long it was, how many watched."""

from __future__ import annotations

import time

from ..event import Notice


def figures(notice: Notice) -> list[tuple[str, str]]:
    """Return the lines, each as what it says and the value.

    Empty where nothing is known, and for a digest, which is short.
    """
    if notice.started_at is None or notice.members:
        return []
    lines = [
        ("Began", _clock(notice.started_at)),
        ("Ended", _clock(notice.due_at)),
        ("Duration", _duration(notice.duration)),
        ("Most viewers at once", str(notice.peak)),
    ]
    if notice.unique_viewers is not None:
        lines.append(("Different viewers", str(notice.unique_viewers)))
    return lines


def _clock(instant: float) -> str:
    """Return an instant as a host reads it, wherever: hosts' time zones are not known."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(instant))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
