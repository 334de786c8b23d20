"""One process, step by step: what it was told in one order, and hears of or says in another."""

from __future__ import annotations

import threading

import pytest
from flask import Flask
from redis import Redis

from flask_streamend import StreamEnd, drain
from flask_streamend.errors import StoreError
from flask_streamend.settings import Settings
from flask_streamend.state import AppState
from flask_streamend.store.base import GuestAct, Report
from flask_streamend.viewers import Silent
from flask_streamend.wiring import build

from .servers import PATIENCE, eventually

#: Seconds: none of these tests waits for anything.
LONG = 600


@pytest.fixture
def process(redis_url: str) -> AppState:
    """Return a process's parts, which has beaten once; nothing in it runs by itself."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="tests",
        STREAMEND_REDIS_URL=redis_url,
        STREAMEND_DELAY=LONG,
        STREAMEND_END_ON="publisher",
    )
    state = build(app, Settings.from_config(app.config), StreamEnd())
    state.sweep.beat()
    return state


def enter(process: AppState) -> None:
    """Have somebody watch, unreported."""
    process.presence.enter("jam", Silent(), LONG)


def note(process: AppState, act: GuestAct) -> None:
    """Note what a streaming server calls."""
    process.guests.note(act, "jam", "publisher", LONG, "s1", LONG * 1000)


def state(process: AppState) -> str:
    """Return how the event stands in the store."""
    return process.store.status(["jam"])[0].state


def test_a_stop_outlives_a_store_that_was_emptied_before_a_report(
    process: AppState, redis: Redis
) -> None:
    """Where a report is what finds that, before a beat: whoever watches on resumes nothing."""
    enter(process)
    process.presence.flush()
    note(process, "publish")
    note(process, "unpublish")
    assert state(process) == "ending"
    redis.flushall()
    enter(process)
    process.presence.flush()
    assert state(process) == "ending"
    process.sweep.beat()
    assert state(process) == "ending"
    assert process.store.status(["jam"])[0].clients == 2


def test_an_answer_that_is_heard_late_undoes_nothing(
    process: AppState, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report is answered, another thread stops the event, and then the answer is heard."""
    enter(process)
    heard: list[Report] = []
    reported = process.endings.reported
    monkeypatch.setattr(process.endings, "reported", lambda report, *_: heard.append(report))
    process.presence.flush()
    monkeypatch.undo()
    eventually(lambda: process.store.look(None).now > heard[0].now, "a millisecond has passed")
    note(process, "publish")
    note(process, "unpublish")
    for report in heard:
        reported(report)
    redis.flushall()
    process.sweep.beat()
    assert state(process) == "ending"


def test_what_waits_to_be_repeated_does_not_come_last(
    process: AppState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A publisher's stop that Redis did not hear of, and its start anew once Redis is back."""
    note(process, "publish")

    def away(*_: object, **__: object) -> Report:
        raise StoreError("away")

    monkeypatch.setattr(process.guests, "_tell", away)
    note(process, "unpublish")
    monkeypatch.undo()
    process.contact.back()
    note(process, "publish")
    process.sweep.beat()
    assert state(process) == "live"


def test_who_came_a_moment_ago_is_reported_before_all_are_gone(
    process: AppState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is stopped waits for its viewers to leave, and a grace period may end meanwhile."""
    monkeypatch.setattr(drain, "PATIENCE", 2 * PATIENCE)
    viewer = Silent()
    process.presence.enter("jam", viewer, LONG)
    stops = threading.Thread(target=drain.drain, args=(process,))
    stops.start()
    eventually(lambda: process.store.status(["jam"])[0].clients == 1, "the viewer is reported")
    process.presence.leave("jam", viewer)
    stops.join(PATIENCE)
    assert not stops.is_alive()
    assert state(process) == "ending"
