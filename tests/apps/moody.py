"""The tests' site with a loader that raises for ``raise-…`` and hangs for ``hang-…``."""

from __future__ import annotations

import threading

from flask import Flask

from flask_streamend import Event
from flask_streamend.state import state_of

from . import site


def create_app() -> Flask:
    """Make the site and exchange its loader."""
    app = site.create_app()

    def load_event(event_id: str) -> Event | None:
        if event_id.startswith("raise-"):
            raise LookupError("the database is away for host@example.org")
        if event_id.startswith("hang-"):
            threading.Event().wait(60)
        return Event(event_id, event_id, "h1", "host@example.org")

    state_of(app).extension.event_loader(load_event)
    return app
