"""The tests' site whose hosts are named by their events: ``unreachable-…``, ``refused-…``, others.

``…~own-20`` ends after 20 seconds.
"""

from __future__ import annotations

import re

from flask import Flask

from flask_streamend import Event
from flask_streamend.state import state_of

from . import site


def create_app() -> Flask:
    """Make the site and exchange its loader."""
    app = site.create_app()
    state_of(app).extension.event_loader(load_event)
    return app


def load_event(event_id: str) -> Event | None:
    """Return an event for every id."""
    own = re.search(r"~own-(\d+)", event_id)
    host = event_id.partition("-")[0]
    email = None if host == "unreachable" else f"{host}@example.org"
    return Event(event_id, f"The {event_id}", "h1", email, delay=float(own[1]) if own else None)
