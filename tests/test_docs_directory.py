"""The page about an application's own tables: what it shows is what happens."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Engine, create_engine, inspect
from sqlalchemy.event import listen

from flask_streamend import ConfigurationError, Event, Preferences, SQLAlchemyDirectory
from flask_streamend.directory import COLUMNS
from flask_streamend.event import NoticeRecord
from flask_streamend.testing import live

from .apps.pages import ROOT, marked
from .postgres import PostgresServer

PAGE = ROOT / "docs" / "directory.md"
NOTICE = NoticeRecord("7", "s1", "email", "retrying", "<1@example.org>", 1, "", 1.0)
TABLES = (
    "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT)",
    "CREATE TABLE events (id INTEGER PRIMARY KEY, name TEXT, host_id INTEGER)",
    "INSERT INTO users VALUES (1, 'host@example.org')",
    "INSERT INTO events VALUES (7, 'Friday jam', 1)",
)


def example(name: str) -> ModuleType:
    """Run an example of the page, as a module that the others may import."""
    module = ModuleType(name.removesuffix(".py"))
    exec(compile(marked(PAGE, "file", name).body, name, "exec"), vars(module))
    sys.modules[module.__name__] = module
    return module


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Forget the examples: `app` is another module for others."""
    before = dict(sys.modules)
    yield
    for name in set(sys.modules) - set(before):
        if getattr(sys.modules[name], "__spec__", None) is None:
            del sys.modules[name]


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[ModuleType]:
    """Return the page's application, over an empty SQLite file."""
    for key, value in {
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path / 'live.db'}",
        "STREAMEND_REDIS_URL": "memory://",
        "MAIL_DEFAULT_SENDER": "live@example.org",
        "MAIL_SUPPRESS_SEND": "false",
        "FRONTEND_URL": "https://live.example.org",
    }.items():
        monkeypatch.setenv(f"FLASK_{key}", value)
    module = example("app.py")
    yield module
    with module.app.app_context():
        module.db.session.remove()
        module.db.engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Engine]:
    """Return each database in turn, with an event and its host."""
    if request.param == "sqlite":
        engine = create_engine(f"sqlite:///{tmp_path / 'tables.db'}")
    else:
        postgres: PostgresServer = request.getfixturevalue("postgres")
        postgres.empty()
        engine = create_engine(postgres.url)
    run(engine, *TABLES)
    yield engine
    engine.dispose()


def run(engine: Engine, *statements: str) -> list[Any]:
    """Run statements and return the last one's rows."""
    with engine.begin() as connection:
        for statement in statements:
            result = connection.exec_driver_sql(statement)
        return list(result) if result.returns_rows else []


def migrate(engine: Engine, name: str, step: str) -> None:
    """Run a migration's step as Alembic does."""
    module = example(name)
    with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        getattr(module, step)()


def sql(name: str) -> list[str]:
    """Return the statements of an example."""
    return [one for one in marked(PAGE, "file", name).body.split(";\n") if one.strip()]


def complete(engine: Engine) -> bool:
    """Return whether each table has every column that the directory knows."""
    found = columns(engine)
    return all(set(words.split()) - {"?"} <= set(found[name]) for name, words in COLUMNS.items())


def columns(engine: Engine) -> dict[str, list[str]]:
    """Return the columns of each table."""
    found = inspect(engine)
    return {
        table: [column["name"] for column in found.get_columns(table)]
        for table in found.get_table_names()
    }


def test_the_application_tells_its_hosts(app: ModuleType) -> None:
    """The page's application, with its columns and table of notices added, mails and records."""
    with app.app.app_context():
        engine = app.db.engine
        run(engine, *TABLES)
        migrate(engine, "wishes.py", "upgrade")
        migrate(engine, "emails.py", "upgrade")
        run(engine, "UPDATE events SET notification_delay = 5")
    with live(app.app) as stage:
        with stage.viewer("7"):
            pass
        stage.advance(4)
        assert not stage.mails
        stage.advance(1)
        (mail,) = stage.mails
    assert mail.recipients == ["host@example.org"]
    (row,) = run(engine, "SELECT event_id, host_id, subject, status, message_id FROM emails")
    assert row == (7, 1, "Event Stream Ended - Friday jam", "sent", mail.msgId)
    assert "example.org" not in str(run(engine, "SELECT subject, error FROM emails"))


def test_the_migrations_go_there_and_back(engine: Engine) -> None:
    """Columns and table are those that are looked for; a downgrade takes them away again."""
    before = columns(engine)
    for name in ("wishes.py", "emails.py"):
        migrate(engine, name, "upgrade")
    assert complete(engine)
    for name in ("emails.py", "wishes.py"):
        migrate(engine, name, "downgrade")
    assert columns(engine) == before


def test_plain_sql_makes_the_same(engine: Engine) -> None:
    """The statements make what the migrations make, in a kind of database each names."""
    run(engine, *sql("wishes.sql"))
    if engine.dialect.name == "sqlite":
        migrate(engine, "emails.py", "upgrade")
    else:
        run(engine, *sql("emails.sql"))
    assert complete(engine)
    wishes = '{"channels": ["email"], "muted": false, "delay": 60, "digest": null}'
    assert wishes in PAGE.read_text()
    run(engine, f"UPDATE users SET notification_preferences = '{wishes}'")
    event = SQLAlchemyDirectory(engine)("7")
    assert event is not None
    assert event.preferences == Preferences(("email",), muted=False, delay=60.0, digest=None)


@pytest.mark.parametrize(
    ("engine", "table"),
    [
        *(
            (kind, table)
            for kind in ("sqlite", "postgresql")
            for table in ("emails.py", "more.sql")
        ),
        ("postgresql", "emails.sql"),
    ],
    indirect=["engine"],
)
def test_an_event_and_its_host_can_be_deleted(engine: Engine, table: str) -> None:
    """A notice of an event is in nobody's way: it goes with its event, and outlives its host."""
    if engine.dialect.name == "sqlite":
        listen(engine, "connect", lambda made, _: made.execute("PRAGMA foreign_keys = ON"))
        engine.dispose()
    if table == "emails.py":
        migrate(engine, table, "upgrade")
    else:
        there = ["CREATE TABLE emails (status TEXT)"] * (table == "more.sql")
        run(engine, *there, *sql(table))
    SQLAlchemyDirectory(engine).record([NOTICE])
    run(engine, "DELETE FROM users")
    assert run(engine, "SELECT session FROM emails") == [("s1",)]
    run(engine, "DELETE FROM events")
    assert run(engine, "SELECT session FROM emails") == []


def test_a_table_of_mails_that_is_there_takes_notices_too(engine: Engine) -> None:
    """With the page's columns added a notice is one row; what the table had is as it was."""
    run(
        engine,
        "CREATE TABLE emails (id INTEGER PRIMARY KEY, body TEXT, status TEXT NOT NULL)",
        "INSERT INTO emails VALUES (1, 'Welcome', 'sent'), (2, 'Welcome', 'sent')",
    )
    if engine.dialect.name == "postgresql":
        run(engine, "ALTER TABLE emails ALTER id ADD GENERATED BY DEFAULT AS IDENTITY (START 3)")
    directory = SQLAlchemyDirectory(engine)
    with pytest.raises(ConfigurationError, match=r"no column 'event_id'.*add it, .*emails=None"):
        directory.record([NOTICE])
    run(engine, *sql("more.sql"))
    directory.record([NOTICE])
    directory.record([replace(NOTICE, status="sent")])
    rows = run(engine, "SELECT id, body, status, session FROM emails ORDER BY id")
    before = [(1, "Welcome", "sent", None), (2, "Welcome", "sent", None)]
    assert rows == [*before, (3, None, "sent", "s1")]


def test_names_and_an_engine_apart(app: ModuleType) -> None:
    """Other names of tables and columns; and a pool of the directory's own."""
    with app.app.app_context():
        run(
            app.db.engine,
            "CREATE TABLE accounts (id INTEGER PRIMARY KEY, mail TEXT, settings TEXT)",
            "CREATE TABLE streams (id INTEGER PRIMARY KEY, title TEXT, owner_id INTEGER)",
            """INSERT INTO accounts VALUES (1, 'host@example.org', '{"muted": true}')""",
            "INSERT INTO streams VALUES (7, 'Friday jam', 1)",
        )
        found = example("names.py").directory("7")
    muted = Preferences(muted=True)
    assert found == Event("7", "Friday jam", "1", "host@example.org", None, muted)
    assert example("apart.py").engine.pool.size() == 2


def test_an_application_s_own_loader_and_recorder(app: ModuleType) -> None:
    """Tables of another form are a few lines, and so is what is kept of notices."""
    with app.app.app_context():
        run(
            app.db.engine,
            "CREATE TABLE bands (id INTEGER PRIMARY KEY, contact TEXT, quiet INTEGER)",
            "CREATE TABLE gigs (slug TEXT, title TEXT, band_id INTEGER, told TEXT)",
            "INSERT INTO bands VALUES (1, 'host@example.org', 0), (2, 'other@example.org', 1)",
            "INSERT INTO gigs VALUES ('jam', 'Friday jam', 1, NULL), ('set', 'A set', 2, NULL)",
        )
    example("loader.py")
    app.streamend.event_loader(example("recorder.py").Gigs())
    with live(app.app) as stage:
        for event_id in ("jam", "set", "nothing"):
            with stage.viewer(event_id):
                pass
        stage.advance(31)
        assert [mail.recipients for mail in stage.mails] == [["host@example.org"]]
    with app.app.app_context():
        rows = run(app.db.engine, "SELECT slug, told FROM gigs ORDER BY slug")
    assert rows == [("jam", "sent"), ("set", "skipped")]
