"""The tests' site with events whose name, address and link would be found wherever they were."""

from __future__ import annotations

from flask import Flask

from flask_streamend import Event
from flask_streamend.state import state_of

from . import traced
from .words import ADDRESS, ENCODED, NAME, VIEWERS


def create_app() -> Flask:
    """Make the site, with its settings from the environment."""
    app = traced.create_app()
    streamend = state_of(app).extension
    streamend.event_loader(
        lambda event_id: Event(event_id, ENCODED if "encoded" in event_id else NAME, "h1", ADDRESS)
    )
    streamend.viewer_loader(lambda event_id: VIEWERS[0])
    app.add_url_rule(
        "/join-token/<event_id>",
        "join",
        lambda event_id: streamend.join_token(event_id, VIEWERS[1]),
    )
    return app
