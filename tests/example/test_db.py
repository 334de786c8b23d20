"""The example's database."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flask import Flask

from example_app import db, load_event


def test_processes_that_start_at_once_make_one_database(tmp_path: Path) -> None:
    """Eight processes make the database at the same moment: none fails, no event is there twice."""
    path = tmp_path / "new" / "site.sqlite3"
    command = [sys.executable, "-c", f"from example_app import db; db.create({str(path)!r})"]
    with ThreadPoolExecutor(8) as pool:
        results = list(
            pool.map(lambda _: subprocess.run(command, capture_output=True, check=False), range(8))
        )
    assert [result.stderr for result in results if result.returncode] == []
    with db.connect(path) as database:
        ids = [row["id"] for row in database.execute("SELECT id FROM events ORDER BY rowid")]
    assert ids == ["friday-jam", "harbour-rain", "slow-morning", "night-bus"]


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    """A second start leaves a renamed event as it is."""
    path = tmp_path / "site.sqlite3"
    db.create(path)
    with db.connect(path) as database:
        database.execute("UPDATE events SET name = 'Saturday' WHERE id = 'friday-jam'")
    db.create(path)
    with sqlite3.connect(path) as again:
        found = again.execute("SELECT name FROM events WHERE id = 'friday-jam'").fetchone()
    again.close()
    assert found == ("Saturday",)


def test_the_loader_gives_the_event_and_its_host(app: Flask) -> None:
    """The event loader joins the event with its host; an unknown id is no event."""
    with app.app_context():
        event = load_event("friday-jam")
        assert event is not None
        assert (event.id, event.name, event.host_email) == (
            "friday-jam",
            "Friday jam",
            "hanna@example.org",
        )
        assert load_event("nobody") is None
