"""Viewers by name as a process reports them: each once, and all to a store that lost them."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_streamend import StreamEnd, known
from flask_streamend.errors import StoreError
from flask_streamend.settings import Settings
from flask_streamend.state import AppState
from flask_streamend.store.base import Change, Report
from flask_streamend.store.memory import MemoryStore
from flask_streamend.viewers import Named
from flask_streamend.wiring import build


class Listening(MemoryStore):
    """A store that notes the names it is told, and may be away.

    :ivar heard: the names of each report.
    :ivar away: whether the next report is not answered, though it is heard.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[list[str]] = []
        self.away = False

    def report(self, *args: Any, **kwargs: Any) -> Report:
        """Note the names, and report."""
        report = super().report(*args, **kwargs)
        self.heard.append([name for held in args[3].values() for name in held.names])
        if self.away:
            self.away = False
            raise StoreError("it is away")
        return report


@pytest.fixture
def store() -> Listening:
    """Return a store that listens."""
    return Listening()


@pytest.fixture
def process(store: Listening) -> AppState:
    """Return a process's parts on it; nothing in it runs by itself."""
    app = Flask(__name__)
    app.config.update(SECRET_KEY="tests", STREAMEND_REDIS_URL="memory://", STREAMEND_DELAY=600)
    return build(app, Settings.from_config(app.config), StreamEnd(), store)


def enter(process: AppState, *names: str) -> list[Named]:
    """Have viewers come."""
    viewers = [Named(name) for name in names]
    for viewer in viewers:
        process.presence.enter("jam", viewer, 600)
    return viewers


def unique(store: MemoryStore) -> int | None:
    """Return the event's unique viewers."""
    return store.status(["jam"])[0].unique_viewers


def test_a_name_is_told_once(process: AppState, store: Listening) -> None:
    """Many who come within a moment are one report, and a name that was heard is not told again."""
    viewers = enter(process, "ann", "ben", "ann", "")
    process.presence.flush()
    enter(process, "cem")
    process.presence.leave("jam", viewers[0])
    process.presence.flush()
    process.presence.leave("jam", viewers[1])
    process.presence.flush()
    assert store.heard == [["ann", "ben"], ["cem"], []]
    assert unique(store) == 3


def test_who_came_and_went_between_two_reports_is_told(process: AppState, store: Listening) -> None:
    """A viewer of a moment was there all the same."""
    (viewer,) = enter(process, "ann")
    process.presence.leave("jam", viewer)
    process.presence.flush()
    assert unique(store) == 1


def test_a_report_without_an_answer_is_told_again(process: AppState, store: Listening) -> None:
    """Whether the store heard is in doubt: the names come again, and count once."""
    enter(process, "ann")
    store.away = True
    with pytest.raises(StoreError):
        process.presence.flush()
    enter(process, "ben")
    process.contact.back()
    process.presence.flush()
    assert store.heard == [["ann"], ["ann", "ben"]]
    assert unique(store) == 2


def test_a_store_that_lost_them_is_told_all_who_are_there(
    process: AppState, store: Listening
) -> None:
    """A full report names everybody who watches now; likewise after a purge."""
    viewers = enter(process, "ann", "ben", "cem")
    process.presence.flush()
    process.presence.leave("jam", viewers[0])
    process.presence.flush()
    process.presence.come_back(introduce=True, emptied=False)
    assert store.heard[-1] == ["ben", "cem"]
    assert store.finish("jam", Change.PURGED)
    process.sweep.beat()
    process.presence.flush()
    assert store.heard[-1] == ["ben", "cem"]
    assert unique(store) == 2


def test_a_report_names_so_many_and_the_next_ones_the_rest(
    process: AppState, store: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report is bounded: of a crowd that a store lost the rest follows by itself."""
    enter(process, *(f"{number:02}" for number in range(5)))
    process.presence.flush()
    monkeypatch.setattr(known, "NAMES", 2)
    process.presence.come_back(introduce=True, emptied=False)
    process.presence.flush()
    process.presence.flush()
    process.presence.flush()
    assert [len(names) for names in store.heard] == [5, 2, 2, 1]
    enter(process, "06", "07", "08", "09")
    process.presence.flush()
    assert len(store.heard[-1]) == 2, "of too many at once not all"
