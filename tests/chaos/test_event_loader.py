"""The application's database, locked, slow or broken for a while."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ..servers import eventually
from .account import settle
from .conftest import MakeStage
from .size import PATIENCE, some
from .stage import GTHREAD, Stage

#: Notices that have met the fault, or more, before it is over.
PUT_OFF = 4


def fill(file: Path) -> None:
    """Make the database, with every event a test has."""
    names = [(event_id, f"The {event_id}") for name in ("during", "new") for event_id in some(name)]
    with closing(sqlite3.connect(file)) as shelf, shelf:
        shelf.execute("CREATE TABLE events (id TEXT PRIMARY KEY, name TEXT)")
        shelf.executemany("INSERT INTO events VALUES (?, ?)", names)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Keep everybody from reading the database."""
    with closing(sqlite3.connect(file, isolation_level=None)) as shelf:
        shelf.execute("BEGIN EXCLUSIVE")
        yield
        shelf.execute("ROLLBACK")


@contextmanager
def broken(file: Path) -> Iterator[None]:
    """Have the database lack its table."""
    with closing(sqlite3.connect(file)) as shelf:
        shelf.execute("ALTER TABLE events RENAME TO elsewhere")
        yield
        shelf.execute("ALTER TABLE elsewhere RENAME TO events")


def put_off(stage: Stage) -> list[str]:
    """Return the events whose notice waits for the loader."""
    return [row["event_id"] for row in stage.command("deliveries") if "loader" in row["error"]]


#: Each fault, with the seconds the loader waits for a lock before it raises.
FAULTS = {"locked": (locked, 0.05), "slow": (locked, 60.0), "raises": (broken, 0.05)}


@pytest.mark.parametrize("name", FAULTS)
def test_the_event_loader_fails_for_a_while(
    make_stage: MakeStage, tmp_path: Path, name: str
) -> None:
    """While the database is away viewers are let in, and ends wait for it: none is lost."""
    fault, wait = FAULTS[name]
    file = tmp_path / "shelf.db"
    fill(file)
    stage = make_stage(app="shelf")
    stage.env |= {"SHELF": str(file), "SHELF_WAIT": str(wait)}
    (site,) = stage.start(GTHREAD)
    during = stage.crowd.watch(some("during", 0.8), site)
    stage.counted(site, len(during))
    with fault(file):
        stage.crowd.leave(during)
        new = stage.crowd.watch(some("new", 0.2), site)
        sample = 'streamend_errors_total{stage="event_loader"}'
        eventually(
            lambda: (site.metric(sample) or 0) >= len(new),
            "it failed for each who came",
            PATIENCE,
        )
        eventually(lambda: len(put_off(stage)) >= PUT_OFF, "notices wait for it", PATIENCE)
        assert not stage.mailbox.arrivals()
    settle(stage)
