"""The tests' site with its events in a SQLite file, which another connection may lock."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

from flask import Flask

from flask_streamend import Event
from flask_streamend.state import state_of

from . import site


def create_app() -> Flask:
    """Make the site; ``SHELF`` is its file, ``SHELF_WAIT`` the seconds it waits for a lock."""
    app = site.create_app()
    state_of(app).extension.event_loader(load_event)
    return app


def load_event(event_id: str) -> Event | None:
    """Return an event from the file."""
    wait = float(os.environ["SHELF_WAIT"])
    with closing(sqlite3.connect(os.environ["SHELF"], timeout=wait)) as shelf:
        row = shelf.execute("SELECT name FROM events WHERE id = ?", (event_id,)).fetchone()
    return None if row is None else Event(event_id, row[0], "h1", "host@example.org")
