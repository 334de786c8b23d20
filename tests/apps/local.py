"""An application made in the test's own process, beside the ones that servers load."""

from __future__ import annotations

from typing import Any

from flask import Flask

from flask_streamend import Event, StreamEnd
from flask_streamend.state import AppState, state_of

#: Nothing listens there; for tests that need no Redis.
NO_REDIS = "redis://127.0.0.1:1"


def load_event(event_id: str) -> Event | None:
    """Return an event for every id but those named ``unknown-…``."""
    if event_id.startswith("unknown-"):
        return None
    return Event(event_id, f"The {event_id}", "h1", "host@example.org")


def make_app(redis_url: str = NO_REDIS, **config: Any) -> Flask:
    """Make an application with a loader and a sender; keywords are its settings."""
    app = Flask("local")
    app.config.update(
        SECRET_KEY="tests",
        STREAMEND_REDIS_URL=redis_url,
        FRONTEND_URL="https://live.example.org",
        MAIL_DEFAULT_SENDER="live@example.org",
        MAIL_SERVER="127.0.0.1",
    )
    app.config.update(config)
    StreamEnd(app, event_loader=load_event)
    return app


def state(app: Flask) -> AppState:
    """Return what an application has of the extension."""
    return state_of(app)
