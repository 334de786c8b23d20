"""Ends over an application's own tables: each host told once, each notice one row."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, select

from flask_streamend.store.redis import RedisStore

from .apps.directory import EMAILS, fill
from .counting_smtp import CountingServer
from .ground import Ground
from .postgres import PostgresServer
from .servers import PATIENCE, Process, Site, eventually

NAME = "tables"
EVENTS = {"many-": 200, "away-": 10, "again-": 10, "kept-": 5, "forked-": 3}
FAILED = "errors|event_loader"


@pytest.fixture(scope="module")
def server() -> Iterator[CountingServer]:
    """Return the mail server of these tests."""
    server = CountingServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def engine(postgres: PostgresServer) -> Iterator[Engine]:
    """Return the database, with every event of these tests."""
    postgres.empty()
    engine = create_engine(postgres.url, pool_pre_ping=True)
    fill(engine, *(f"{prefix}{n}" for prefix, count in EVENTS.items() for n in range(count)))
    yield engine
    engine.dispose()


def start_site(ground: Ground, server: CountingServer, name: str, database: str) -> Site:
    """Start a site over tables, with a queue of its own."""
    return ground.site(
        app="directory",
        env={"DATABASE": database},
        MAIL_PORT=server.port,
        STREAMEND_NAMESPACE=name,
        STREAMEND_QUEUE=name,
        STREAMEND_RETRY_BACKOFF=0.2,
    )


@pytest.fixture(scope="module")
def site(ground: Ground, server: CountingServer, engine: Engine) -> Site:
    """Return a site over PostgreSQL, which two workers work for."""
    database = engine.url.render_as_string(hide_password=False)
    site = start_site(ground, server, NAME, database)
    for _ in range(2):
        ground.worker(site, "tuned", queue=NAME)
    return site


@pytest.fixture
def store(ground: Ground, site: Site) -> RedisStore:
    """Return that site's store."""
    return RedisStore(ground.redis, NAME)


def failures(store: RedisStore) -> int:
    """Return how often the database failed, as it was counted."""
    return store.totals(0).counters.get(FAILED, 0)


def put_off(store: RedisStore, prefix: str) -> None:
    """Wait until two notices were put off, because the database could not be asked."""
    eventually(
        lambda: (
            sum(
                row.event_id.startswith(prefix) and "loader" in row.error
                for row in store.records(1000)
            )
            >= 2
        ),
        f"notices of {prefix} are put off",
    )


def schedule(site: Site, prefix: str, over: float = 1.0) -> None:
    """Schedule all ends of a test, from one second on."""
    count = EVENTS[prefix]
    assert site.get(f"/schedule-many/{prefix}?count={count}&over={over}")[0] == 200


def all_told(store: RedisStore, server: CountingServer, prefix: str) -> None:
    """Wait until all are told, and check that each was once."""
    eventually(
        lambda: len(server.about(prefix)) == EVENTS[prefix], f"all of {prefix}", 2 * PATIENCE
    )
    eventually(lambda: store.next_try() is None, "nothing is owed any more")
    assert {event: len(at) for event, at in server.about(prefix).items()} == {
        f"{prefix}{number}": 1 for number in range(EVENTS[prefix])
    }


def rows(engine: Engine, prefix: str) -> list[tuple[str, str, int]]:
    """Return event, status and attempts of each row about such events."""
    columns = (EMAILS.c.event_id, EMAILS.c.status, EMAILS.c.attempts)
    query = select(*columns).where(EMAILS.c.event_id.startswith(prefix, autoescape=True))
    with engine.connect() as connection:
        return [(event, status, tries) for event, status, tries in connection.execute(query)]


def all_recorded(engine: Engine, prefix: str) -> None:
    """Wait until each notice has its row, and check that it is one that says what became of it."""
    expected = {(f"{prefix}{number}", "sent", 1) for number in range(EVENTS[prefix])}
    eventually(lambda: len(rows(engine, prefix)) >= EVENTS[prefix], f"the rows of {prefix}")
    found = rows(engine, prefix)
    assert len(found) == len(expected)
    assert set(found) == expected


def test_200_ends_by_two_workers_are_200_rows(
    site: Site, store: RedisStore, server: CountingServer, engine: Engine, postgres: PostgresServer
) -> None:
    """Each host is told once, each notice is one row; the database saw no deadlock."""
    schedule(site, "many-", over=2)
    all_told(store, server, "many-")
    all_recorded(engine, "many-")
    ((deadlocks,),) = postgres.run("SELECT sum(deadlocks) FROM pg_stat_database")
    assert deadlocks == 0
    assert failures(store) == 0
    (sent,) = postgres.run(
        "SELECT count(*), count(DISTINCT message_id), min(sent_at) > now() - interval '1 hour',"
        " count(*) FILTER (WHERE host_id = 1 AND channel = 'email' AND sent_at >= created_at)"
        " FROM emails WHERE event_id LIKE 'many-%'"
    )
    assert sent == (200, 200, True, 200)


def test_a_database_that_is_paused_loses_no_end(
    site: Site, store: RedisStore, server: CountingServer, engine: Engine, postgres: PostgresServer
) -> None:
    """While it answers nothing notices wait, counted; then each is told, once, and has its row."""
    before = failures(store)
    schedule(site, "away-")
    postgres.pause()
    try:
        put_off(store, "away-")
        assert not server.about("away-")
        with closing(site.watch("nobody-knows")) as viewer:
            assert viewer.connected
    finally:
        postgres.resume()
    assert site.get("/ws/nobody-else-knows")[0] == 404
    all_told(store, server, "away-")
    eventually(lambda: failures(store) >= before + 2, "each try in vain is counted")
    all_recorded(engine, "away-")


def test_a_database_that_is_restarted_loses_no_end(
    site: Site, store: RedisStore, server: CountingServer, engine: Engine, postgres: PostgresServer
) -> None:
    """While it is not there notices wait, counted; then each is told, once, and has its row."""
    before = failures(store)
    schedule(site, "again-")
    postgres.stop()
    put_off(store, "again-")
    postgres.start()
    all_told(store, server, "again-")
    eventually(lambda: failures(store) >= before + 2, "each try in vain is counted")
    all_recorded(engine, "again-")


def test_a_table_of_notices_that_is_locked_holds_up_nobody(
    site: Site, store: RedisStore, server: CountingServer, engine: Engine, postgres: PostgresServer
) -> None:
    """As in a migration: hosts are told all the same, and the rows follow when it is free."""
    before = failures(store)
    with closing(postgres.connect()) as other, other.transaction():
        other.execute("LOCK TABLE emails IN ACCESS EXCLUSIVE MODE")
        schedule(site, "kept-")
        all_told(store, server, "kept-")
        eventually(lambda: failures(store) > before, "that it is not recorded is counted")
    all_recorded(engine, "kept-")


def test_a_forked_worker_writes_its_rows_before_it_ends(
    ground: Ground, server: CountingServer, engine: Engine, site: Site
) -> None:
    """A plain ``rq worker``, whose process ends with each job, leaves no notice unrecorded."""
    forked = start_site(ground, server, "forked", site.env["DATABASE"])
    ground.worker(forked, "plain", queue="forked")
    schedule(forked, "forked-")
    all_told(RedisStore(ground.redis, "forked"), server, "forked-")
    all_recorded(engine, "forked-")


@pytest.fixture
def locked(ground: Ground, server: CountingServer, tmp_path: Path) -> Iterator[tuple[Site, Engine]]:
    """Return a site over a SQLite file with a worker, and that file."""
    engine = create_engine(f"sqlite:///{tmp_path / 'tables.db'}")
    fill(engine, *(f"away-{number}" for number in range(EVENTS["away-"])))
    server.arrivals.clear()
    site = start_site(ground, server, "locked", str(engine.url))
    worker: Process = ground.worker(site, "tuned", queue="locked")
    yield site, engine
    engine.dispose()
    ground.stop_process(worker)


def test_a_sqlite_file_that_is_locked_loses_no_end(
    ground: Ground, locked: tuple[Site, Engine], server: CountingServer, tmp_path: Path
) -> None:
    """While another has it for itself notices wait, counted; then each is told, and has its row."""
    site, engine = locked
    store = RedisStore(ground.redis, "locked")
    with closing(sqlite3.connect(tmp_path / "tables.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        schedule(site, "away-")
        put_off(store, "away-")
        assert not server.about("away-")
        other.execute("ROLLBACK")
    all_told(store, server, "away-")
    all_recorded(engine, "away-")
