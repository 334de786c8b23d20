"""An event loader that keeps records of notices, and fails at it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence

import pytest
from flask import Flask

from flask_streamend import Event, PermanentError, Preferences, StreamEnd
from flask_streamend.event import NoticeRecord
from flask_streamend.notices import recording
from flask_streamend.state import state_of
from flask_streamend.testing import Stage, live

from .servers import eventually


class Book:
    """A loader with a record of its own.

    :ivar fails: raised by the next writes, one each.
    :ivar refuses: events whose records are refused for good.
    """

    def __init__(self) -> None:
        self.written: list[NoticeRecord] = []
        self.fails: list[Exception] = []
        self.refuses: set[str] = set()
        self.go = threading.Event()
        self.go.set()

    def __call__(self, event_id: str) -> Event | None:
        if event_id.startswith("unknown-"):
            return None
        wishes = Preferences(muted=event_id.startswith("muted-"))
        return Event(event_id, f"The {event_id}", "1", "host@example.org", preferences=wishes)

    def record(self, notices: Sequence[NoticeRecord]) -> None:
        assert self.go.wait(30)
        if self.fails:
            raise self.fails.pop(0)
        if any(notice.event_id in self.refuses for notice in notices):
            raise PermanentError("no column for host@example.org,\nor any other")
        self.written += notices


@pytest.fixture
def book() -> Book:
    """Return a loader."""
    return Book()


@pytest.fixture
def stage(book: Book) -> Iterator[Stage]:
    """Return an application with that loader, on stage."""
    app = Flask("recorded")
    app.config.update(
        *({"STREAMEND_REDIS_URL": "memory://", "MAIL_DEFAULT_SENDER": "live@example.org"},),
        FRONTEND_URL="https://live.example.org",
        MAIL_SUPPRESS_SEND=False,
        STREAMEND_DELAY=0,
    )
    StreamEnd(app, event_loader=book)
    with live(app) as stage:
        yield stage


def end(stage: Stage, *events: str) -> None:
    """Have events end, and everything done that follows."""
    for event_id in events:
        with stage.viewer(event_id):
            pass
    stage.advance(1)


def errors(stage: Stage) -> int:
    """Return the failures that were counted."""
    return stage.state.tally.pending().get("errors|event_loader", 0)


def test_each_notice_is_recorded_with_what_became_of_it(stage: Stage, book: Book) -> None:
    """Sent or skipped, by the store's clock; of an event nobody knows too."""
    end(stage, "jam", "muted-1", "unknown-1")
    told = {one.event_id: (one.status, one.attempts, one.error) for one in book.written}
    assert told == {
        "jam": ("sent", 1, ""),
        "muted-1": ("skipped", 0, "muted"),
        "unknown-1": ("skipped", 0, "no_event"),
    }
    (notice,) = stage.notices
    jam = next(one for one in book.written if one.event_id == "jam")
    assert (jam.message_id, jam.session) == (notice.message_id, notice.session)
    assert abs(jam.at - stage.now) <= 1
    assert jam.channel == "email"


def test_a_record_that_fails_is_written_later_and_nobody_is_told_twice(
    stage: Stage, book: Book, caplog: pytest.LogCaptureFixture
) -> None:
    """While nothing can be written notices go on; it is said once, counted each time, made up."""
    caplog.set_level(logging.INFO, "flask_streamend")
    book.fails = [OSError(f"away: {n} of host@example.org") for n in range(3)]
    end(stage, "jam", "gig")
    assert len(stage.notices) == 2
    assert sorted(one.event_id for one in book.written) == ["gig", "jam"]
    assert errors(stage) == 3
    (warning,) = [r for r in caplog.records if "not recorded yet" in r.getMessage()]
    assert warning.levelname == "WARNING"
    assert warning.event_id in ("jam", "gig")  # type: ignore[attr-defined]
    assert warning.session  # type: ignore[attr-defined]
    assert "host@example.org" not in caplog.text
    assert caplog.messages.count("Notices are recorded again") == 1


def test_a_record_that_is_refused_holds_up_no_other(
    stage: Stage, book: Book, caplog: pytest.LogCaptureFixture
) -> None:
    """One that can never be written is given up, said and counted; those beside it are written."""
    book.go.clear()
    book.refuses = {"jam"}
    app = stage.app
    with app.app_context():
        for event_id in ("gig", "jam", "set"):
            with stage.viewer(event_id):
                pass
        stage.state.deliverer.deliver_due()
    book.go.set()
    stage.state.recording.finish()
    assert {one.event_id for one in book.written} == {"gig", "set"}
    said = "PermanentError: no column for h***@example.org, or any other"
    assert f"event jam, sent, is in the ledger and not recorded: {said}" in caplog.text
    assert "host@" not in caplog.text
    assert errors(stage) == 1
    assert len(stage.notices) == 3


def test_a_process_that_ends_gives_up_what_it_cannot_write(
    stage: Stage, book: Book, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tries for a while, then each record that is lost is named; the ledger has it."""
    monkeypatch.setattr(recording, "FINISH", 0.05)
    book.fails = [OSError("away") for _ in range(1000)]
    end(stage, "jam")
    assert len(stage.notices) == 1
    assert "The notice of event jam, sent, is in the ledger and not recorded: the process" in (
        caplog.text
    )
    assert [row.state for row in stage.state.store.records(10)] == ["sent"]


def test_a_recorder_that_hangs_holds_up_no_notice(
    stage: Stage, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notices go on while it hangs; that is counted, and all is recorded when it goes on."""
    monkeypatch.setattr(recording, "TIMEOUT", 0.0)
    book.go.clear()
    with stage.app.app_context():
        for event_id in ("jam", "gig", "set"):
            with stage.viewer(event_id):
                pass
            stage.state.deliverer.deliver_due()
    assert len(stage.notices) == 3

    def counted() -> bool:
        stage.state.recording.tick()
        return errors(stage) > 0

    eventually(counted, "that it hangs is counted")
    book.go.set()
    stage.state.recording.finish()
    assert {one.event_id for one in book.written} == {"jam", "gig", "set"}


def test_what_is_owed_has_a_bound(
    stage: Stage, book: Book, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond it the oldest record is given up, said and counted."""
    monkeypatch.setattr(recording, "OWED", 2)
    book.go.clear()
    with stage.app.app_context():
        for event_id in ("jam", "gig", "set"):
            with stage.viewer(event_id):
                pass
            stage.state.deliverer.deliver_due()
    assert "event jam, sent, is in the ledger and not recorded: 2 records are owed" in caplog.text
    assert errors(stage) == 1
    book.go.set()
    stage.state.recording.finish()


def test_a_loader_that_is_a_function_is_asked_to_record_nothing(stage: Stage, book: Book) -> None:
    """Most loaders keep no record."""
    state_of(stage.app).extension.event_loader(book.__call__)
    end(stage, "jam")
    assert len(stage.notices) == 1
    assert book.written == []
