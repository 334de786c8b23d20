"""Hold the site's few tables in SQLite: events, users (their hosts) and emails (past notices)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import current_app

SCHEMA = Path(__file__).with_name("schema.sql")
BUSY_TIMEOUT = 10.0  # s; how long one process waits for another that is writing


@contextmanager
def connect(path: str | Path | None = None) -> Iterator[sqlite3.Connection]:
    """Open the database for one piece of work and close it after.

    Flask's usual connection per context would stay open here for as long as a viewer's WebSocket
    does; opening SQLite anew costs some 50 microseconds.
    """
    database = sqlite3.connect(path or current_app.config["DATABASE"], timeout=BUSY_TIMEOUT)
    database.row_factory = sqlite3.Row
    try:
        with database:
            yield database
    finally:
        database.close()


def create(path: str | Path) -> None:
    """Make the tables and the first events where they are missing."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with connect(path) as database:
        database.executescript(SCHEMA.read_text(encoding="utf-8"))


def rows(query: str, *values: object) -> list[sqlite3.Row]:
    """Return every row the query finds."""
    with connect() as database:
        return database.execute(query, values).fetchall()


def row(query: str, *values: object) -> sqlite3.Row | None:
    """Return the first row the query finds, or None."""
    return next(iter(rows(query, *values)), None)
