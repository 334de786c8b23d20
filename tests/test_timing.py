"""The precise alarm: whatever makes an end pending has it rung at its instant."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from redis import Redis

from flask_streamend import keeper, sweep
from flask_streamend.extension import StreamEnd

from .apps.local import make_app, state
from .servers import eventually


@pytest.fixture
def app(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """Return an application whose keeper does nothing for an hour unless it is woken."""
    monkeypatch.setattr(sweep, "BEAT", 3600.0)
    monkeypatch.setattr(keeper, "LONGEST", 3600.0)
    app = make_app(redis_url, STREAMEND_LEASE=3600, STREAMEND_DELAY=0.1)
    app.test_client().get("/health/live")
    yield app
    state(app).keeper.stop()


def scheduled(streamend: StreamEnd, event_id: str) -> None:
    """Schedule an end."""
    streamend.schedule_end(event_id, 0.1)


def guest(streamend: StreamEnd, event_id: str) -> None:
    """Have a guest come and go."""
    streamend.join(event_id, "ann")
    streamend.leave(event_id, "ann")


def viewer(streamend: StreamEnd, event_id: str) -> None:
    """Have a viewer come and go."""
    with streamend.viewing(event_id):
        pass


@pytest.mark.parametrize("act", [viewer, scheduled, guest])
def test_what_makes_an_end_pending_wakes_the_keeper(
    app: Flask, redis: Redis, act: Callable[[StreamEnd, str], None]
) -> None:
    """The alarm rings by this process's timer, and waits neither for a beat nor for RQ."""
    streamend = state(app).extension
    # The first finds the keeper awake perhaps, the next ones asleep.
    for number in range(1, 4):
        with app.app_context():
            act(streamend, f"jam{number}")
        eventually(
            lambda number=number: redis.llen("rq:queue:default") == number,  # type: ignore[misc]
            f"alarm {number} rang",
        )
