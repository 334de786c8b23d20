"""A notice's optional lines, as the documentation shows them."""

from __future__ import annotations

import calendar

from flask_streamend import Event
from flask_streamend.event import Notice
from flask_streamend.notices.figures import figures

from .apps.pages import ROOT, marked

BEGAN = calendar.timegm((2026, 11, 23, 18, 45, 2))


def lines(duration: float, unique: int | None = 84) -> list[str]:
    """Return the lines of a session of some seconds."""
    event = Event("jam", "Friday jam", "h1", "host@example.org")
    ended = BEGAN + duration
    notice = Notice(event, "s1", ended, "", "", started_at=BEGAN, peak=31, unique_viewers=unique)
    return [f"{what}: {value}" for what, value in figures(notice)]


def test_they_are_as_the_page_shows_them() -> None:
    """Each figure is a line; who watched where nobody has a name is none."""
    shown = marked(ROOT / "docs" / "analytics.md", "shows", "figures").body.splitlines()
    assert lines(4320) == shown
    assert lines(4320, None) == shown[:-1]


def test_a_duration_is_read_at_a_glance() -> None:
    """Hours and minutes, minutes and seconds, seconds."""
    found = [lines(seconds)[2] for seconds in (0, 59.4, 61, 3599.7, 90_000)]
    assert found == [
        "Duration: 0 s",
        "Duration: 59 s",
        "Duration: 1 min 1 s",
        "Duration: 1 h 0 min",
        "Duration: 25 h 0 min",
    ]


def test_a_notice_of_which_nothing_is_known_has_none() -> None:
    """A notice made by hand needs no figures."""
    event = Event("jam", "Friday jam", "h1", "host@example.org")
    notice = Notice(event, "s1", BEGAN, "", "")
    assert figures(notice) == []
    assert notice.duration == 0
