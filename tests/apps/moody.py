"""The tests' site with a loader that raises for ``raise-…`` and hangs for ``hang-…``.

Its viewer loader hangs for ``stuck-…``, until somebody asks for ``/release``.
"""

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

    go_on = threading.Event()

    def load_viewer(event_id: str) -> str:
        if event_id.startswith("stuck-"):
            go_on.wait(60)
        return "ann"

    def release() -> str:
        go_on.set()
        return "released"

    streamend = state_of(app).extension
    streamend.event_loader(load_event)
    streamend.viewer_loader(load_viewer)
    app.add_url_rule("/token", "token", lambda: streamend.join_token("jam", "ben"))
    app.add_url_rule("/release", "release", release)
    return app
