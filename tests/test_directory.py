"""Events, hosts and their wishes out of an application's own tables."""

from __future__ import annotations

import select
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    CHAR,
    BigInteger,
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    NullPool,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Uuid,
    create_engine,
)
from sqlalchemy.event import listen
from sqlalchemy.ext.asyncio import create_async_engine

from flask_streamend import (
    ConfigurationError,
    DirectoryError,
    Event,
    PermanentError,
    Preferences,
    SQLAlchemyDirectory,
    StreamEnd,
)
from flask_streamend.directory import asking
from flask_streamend.directory.tables import LOOK_AGAIN
from flask_streamend.event import NoticeRecord
from flask_streamend.state import state_of

from .apps.directory import EVENTS, USERS, fill
from .postgres import PostgresServer
from .servers import PATIENCE

MakeEngine = Callable[..., Engine]

#: Seconds in which a table is found on a slow machine, too.
FAR = 4


@pytest.fixture
def make_engine(tmp_path: Path) -> Iterator[MakeEngine]:
    """Return a function that makes engines, disposed of at the end; a SQLite file by default."""
    made: list[Engine] = []

    def make(url: Any = f"sqlite:///{tmp_path / 'tables.db'}", **options: Any) -> Engine:
        made.append(create_engine(url, **options))
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, make_engine: MakeEngine) -> Engine:
    """Return an empty database of each kind in turn."""
    if request.param == "sqlite":
        return make_engine()
    postgres: PostgresServer = request.getfixturevalue("postgres")
    postgres.empty()
    return make_engine(postgres.url)


def tables(engine: Engine, *columns: str, ids: str = "INTEGER", users: str = "") -> None:
    """Make the two tables by hand, with their least columns and these of events."""
    more = "".join(f", {column}" for column in columns)
    with engine.begin() as connection:
        for statement in (
            f"CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT{users})",
            f"CREATE TABLE events (id {ids} PRIMARY KEY, name TEXT, host_id INTEGER{more})",
            "INSERT INTO users (id, email) VALUES (1, 'host@example.org')",
        ):
            connection.exec_driver_sql(statement)


def run(engine: Engine, statement: str) -> None:
    """Run one statement."""
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)


def test_an_event_has_its_host_s_address_and_wishes(engine: Engine) -> None:
    """What the two tables say of an event is in the Event, its delay and the preferences too."""
    fill(engine, "jam")
    wishes = {"channels": ["sms", "email"], "muted": True, "delay": 60, "digest": 3600}
    with engine.begin() as connection:
        connection.execute(USERS.update().values(notification_preferences=wishes))
        connection.execute(EVENTS.update().values(notification_delay=90.5))
    preferences = Preferences(("sms", "email"), muted=True, delay=60.0, digest=3600.0)
    event = SQLAlchemyDirectory(engine)("jam")
    assert event == Event("jam", "The jam", "1", "host@example.org", 90.5, preferences)


def test_what_is_optional_may_be_missing_and_come_later(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the optional columns an event has no wishes; once they are there they are found."""
    tables(engine)
    run(engine, "INSERT INTO events VALUES (7, 'Jam', 1)")
    directory = SQLAlchemyDirectory(engine)
    assert directory("7") == Event("7", "Jam", "1", "host@example.org")
    run(engine, "ALTER TABLE events ADD COLUMN notification_delay INTEGER")
    run(engine, "ALTER TABLE users ADD COLUMN notification_preferences JSON")
    run(engine, "UPDATE events SET notification_delay = 5")
    run(engine, """UPDATE users SET notification_preferences = '{"muted": true}'""")
    later = time.monotonic() + LOOK_AGAIN
    monkeypatch.setattr(time, "monotonic", lambda: later)
    event = directory("7")
    assert event is not None
    assert (event.delay, event.preferences) == (5.0, Preferences(muted=True))


@pytest.mark.parametrize("ids", ["SMALLINT", "INTEGER", "BIGINT"])
def test_an_id_that_is_no_number_or_out_of_range_is_no_event(engine: Engine, ids: str) -> None:
    """For a column of numbers text, other spellings, and numbers beyond it are no event."""
    tables(engine, ids=ids)
    run(engine, "INSERT INTO events VALUES (7, 'Jam', 1), (-3, 'Below', 1)")
    directory = SQLAlchemyDirectory(engine)
    refused: list[object] = []
    listen(engine, "handle_error", refused.append)
    for event_id, name in (("7", "Jam"), ("-3", "Below")):
        event = directory(event_id)
        assert event is not None
        assert event.name == name
    for bits in (15, 31, 63, 200):
        for number in (1 << bits, (1 << bits) - 1, -(1 << bits), -(1 << bits) - 1):
            assert directory(str(number)) is None
    for other in ("007", "7.0", "-7", "--7", "-0", "jam", "~", "8", "0x7", "1e1", "", "a b", "7\n"):
        assert directory(other) is None
    assert not refused, "the database is not even asked"


def test_a_text_is_the_event_only_if_it_is_the_same(engine: Engine) -> None:
    """Other case, or other zeros, are another event, whatever the database takes for equal."""
    ids = "TEXT COLLATE NOCASE" if engine.dialect.name == "sqlite" else "TEXT"
    tables(engine, ids=ids)
    run(engine, "INSERT INTO events VALUES ('Jam', 'Jam', 1), ('7', 'Seven', 1)")
    directory = SQLAlchemyDirectory(engine)
    for event_id in ("Jam", "7"):
        event = directory(event_id)
        assert event is not None
        assert event.id == event_id
    for other in ("jam", "JAM", "07", "7.0"):
        assert directory(other) is None


def test_an_id_may_be_a_uuid(engine: Engine) -> None:
    """A UUID is asked for as its text; anything else is no event. So is it of a declared table."""
    own = uuid.uuid4()
    metadata = MetaData()
    users = Table("users", metadata, Column("id", Uuid, primary_key=True), Column("email", Text))
    events = Table(
        *("events", metadata, Column("id", Uuid, primary_key=True), Column("name", Text)),
        Column("host_id", ForeignKey("users.id")),
    )
    metadata.create_all(engine)
    host = uuid.uuid4()
    with engine.begin() as connection:
        connection.execute(users.insert(), {"id": host, "email": "host@example.org"})
        connection.execute(events.insert(), {"id": own, "name": "Jam", "host_id": host})
    directory = SQLAlchemyDirectory(engine, events=events, users=users)
    assert directory(str(own)) == Event(str(own), "Jam", str(host), "host@example.org")
    for other in (str(own).upper(), own.hex, str(uuid.uuid4()), "jam", "7"):
        assert directory(other) is None


@pytest.mark.parametrize("kind", [CHAR(8), Numeric(9, 0), String(8)])
def test_an_id_of_another_kind_is_compared_as_text(engine: Engine, kind: Any) -> None:
    """A CHAR is filled with blanks, a NUMERIC takes no text: both are as their text is."""
    metadata = MetaData()
    users = Table("users", metadata, Column("id", Integer), Column("email", Text))
    events = Table(
        *("events", metadata, Column("id", kind), Column("name", Text)),
        Column("host_id", Integer),
    )
    metadata.create_all(engine)
    with engine.begin() as connection:
        value = Decimal(7) if isinstance(kind, Numeric) else "7"
        connection.execute(users.insert(), {"id": 1, "email": "host@example.org"})
        connection.execute(events.insert(), {"id": value, "name": "Jam", "host_id": 1})
    for directory in (
        SQLAlchemyDirectory(engine),
        SQLAlchemyDirectory(engine, events=events, users=users),
    ):
        assert directory("7") is not None
        assert directory("007") is None
        assert directory("jam") is None
        assert directory("8" * 100) is None


def test_an_event_without_a_host_has_no_address(engine: Engine) -> None:
    """A host that is missing, or has no address, is no error: it is counted where it is told."""
    tables(engine)
    run(engine, "INSERT INTO events VALUES (1, 'Jam', NULL), (2, NULL, 99)")
    directory = SQLAlchemyDirectory(engine)
    assert directory("1") == Event("1", "Jam", "", None)
    assert directory("2") == Event("2", "2", "99", None)


def test_a_db_with_bind_keys_alone_is_an_error_with_the_cure(tmp_path: Path) -> None:
    """Which of several databases has the tables is said by giving its engine."""
    db, app = SQLAlchemy(), Flask("bound")
    app.config["SQLALCHEMY_BINDS"] = {"live": f"sqlite:///{tmp_path / 'live.db'}"}
    db.init_app(app)
    with app.app_context():
        engine = db.engines["live"]
        fill(engine, "jam")
        with pytest.raises(ConfigurationError, match=r"bind keys: .* db\.engines"):
            SQLAlchemyDirectory(db)("jam")
        assert SQLAlchemyDirectory(engine)("jam")
        engine.dispose()


@pytest.fixture
def app() -> Flask:
    """Return an application with the extension, to count on."""
    app = Flask("counted")
    app.config.update(STREAMEND_REDIS_URL="memory://", MAIL_DEFAULT_SENDER="live@example.org")
    StreamEnd(app)
    return app


@pytest.mark.parametrize(
    ("stored", "preferences", "complaint"),
    [
        ("{", None, "no JSON object"),
        ("[1]", None, "no JSON object"),
        ('"muted"', None, "no JSON object"),
        ('{"muted": "yes", "delay": 5}', Preferences(delay=5.0), "muted is not true or false"),
        ('{"muted": true, "delay": "5"}', Preferences(muted=True), "delay is not a number"),
        ('{"delay": -1}', Preferences(), "delay is not a number"),
        ('{"delay": 86401}', Preferences(), "delay is not a number"),
        ('{"digest": true}', Preferences(), "digest is not a number"),
        ('{"channels": "email"}', Preferences(), "channels is not a list of names"),
        ('{"channels": [1]}', Preferences(), "channels is not a list of names"),
        ('{"theme": "dark", "muted": null}', Preferences(), None),
        ("null", None, None),
        ('{"channels": ["E-Mail"]}', Preferences(), "each 1 to 32 of a-z 0-9 _ -"),
        ('{"digest": 604801}', Preferences(), "over 0 and up to 604,800"),
        (f'{{"delay": 1{"0" * 400}, "muted": true}}', Preferences(muted=True), "0 to 86,400"),
        ("[" * 5000 + "]" * 5000, None, "no JSON object"),
    ],
)
def test_malformed_preferences_are_a_warning_and_the_default(
    make_engine: MakeEngine,
    app: Flask,
    caplog: pytest.LogCaptureFixture,
    stored: str,
    preferences: Preferences | None,
    complaint: str | None,
) -> None:
    """What can't be used of them is said and counted; the rest is used, and the event is there."""
    engine = make_engine()
    tables(engine, users=", notification_preferences JSON")
    run(engine, "INSERT INTO events VALUES (7, 'Jam', 1)")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE users SET notification_preferences = ?", (stored,))
    with app.app_context():
        event = SQLAlchemyDirectory(engine)("7")
    assert event is not None
    assert event.preferences == preferences
    counted = state_of(app).tally.pending()
    if complaint is None:
        assert not caplog.messages
        assert not counted
    else:
        assert complaint in caplog.text
        assert caplog.messages[0].startswith("Event 7: ")
        assert counted == {"errors|event_loader": 1}


def test_preferences_that_only_the_database_can_read_are_a_warning(
    engine: Engine, app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    """Numbers and depths that JSON may have and a program may not: the event is there."""
    tables(engine, users=", notification_preferences JSON")
    run(engine, "INSERT INTO users (id) VALUES (2)")
    run(engine, "INSERT INTO events VALUES (7, 'Jam', 1), (8, 'Gig', 2)")
    for host, stored in ((1, f'{{"delay": 1{"0" * 400}}}'), (2, "[" * 2000 + "]" * 2000)):
        run(engine, f"UPDATE users SET notification_preferences = '{stored}' WHERE id = {host}")
    with app.app_context():
        directory = SQLAlchemyDirectory(engine)
        found = [directory("7"), directory("8")]
    assert [event and event.preferences for event in found] == [Preferences(), None]
    assert state_of(app).tally.pending() == {"errors|event_loader": 2}
    assert all(len(message) < 200 for message in caplog.messages)


@pytest.mark.parametrize("shared", ["events", "users"])
def test_an_id_of_several_rows_names_no_event(engine: Engine, shared: str) -> None:
    """Where ids are unique within a tenant only, no tenant's host is told of another's event."""
    for table, columns in {
        "users": "id INTEGER, email TEXT",
        "events": "id INTEGER, name TEXT, host_id INTEGER",
        "emails": "event_id INTEGER, session TEXT, channel TEXT, status TEXT,"
        " UNIQUE (event_id, session, channel)",
    }.items():
        run(engine, f"CREATE TABLE {table} (tenant INTEGER, {columns})")
    for tenant in (1, 2) if shared == "users" else (1,):
        run(engine, f"INSERT INTO users VALUES ({tenant}, 1, 'host{tenant}@example.org')")
    for tenant in (1, 2) if shared == "events" else (1,):
        run(engine, f"INSERT INTO events VALUES ({tenant}, 7, 'Jam of {tenant}', 1)")
    directory = SQLAlchemyDirectory(engine)
    with pytest.raises(ConfigurationError, match=r"several rows.* events\.id and users\.id"):
        directory("7")
    notice = NoticeRecord("7", "s1", "email", "sent", "<1@example.org>", 1, "", 1.0)
    with pytest.raises(PermanentError, match="several rows"):
        directory.record([notice])


@pytest.mark.parametrize("stored", ["abc", "-1", "1e9"])
def test_a_malformed_delay_is_a_warning_and_the_default(
    make_engine: MakeEngine, app: Flask, caplog: pytest.LogCaptureFixture, stored: str
) -> None:
    """A delay that is none is said and counted, and the event is there."""
    engine = make_engine()
    tables(engine, "notification_delay")
    run(engine, f"INSERT INTO events VALUES (7, 'Jam', 1, '{stored}')")
    with app.app_context():
        event = SQLAlchemyDirectory(engine)("7")
    assert event is not None
    assert event.delay is None
    assert "its notification_delay is no number of seconds from 0 to 86,400" in caplog.text
    assert state_of(app).tally.pending() == {"errors|event_loader": 1}


def test_tables_and_columns_may_have_other_names(engine: Engine) -> None:
    """Names of tables and columns are adjusted; a schema is part of a table's name."""
    schema = "main" if engine.dialect.name == "sqlite" else "public"
    run(engine, "CREATE TABLE people (number INTEGER PRIMARY KEY, mail TEXT, wishes JSON)")
    run(engine, "CREATE TABLE streams (slug TEXT PRIMARY KEY, title TEXT, owner INTEGER)")
    run(engine, """INSERT INTO people VALUES (1, 'host@example.org', '{"muted": true}')""")
    run(engine, "INSERT INTO streams VALUES ('jam', 'Jam', 1)")
    directory = SQLAlchemyDirectory(
        engine,
        events=f"{schema}.streams",
        users="people",
        columns={
            "events.id": "slug",
            "events.name": "title",
            "events.host_id": "owner",
            "users.id": "number",
            "users.email": "mail",
            "users.notification_preferences": "wishes",
        },
    )
    expected = Event("jam", "Jam", "1", "host@example.org", None, Preferences(muted=True))
    assert directory("jam") == expected


def test_a_flask_sqlalchemy_db_s_own_models_are_used(tmp_path: Path) -> None:
    """Each application's database is asked, by its declared tables; a mapped class is a table."""
    db = SQLAlchemy()

    class Person(db.Model):  # type: ignore[name-defined,misc]
        __tablename__ = "users"
        id = Column(Uuid, primary_key=True)
        email = Column(Text)

    class Gig(db.Model):  # type: ignore[name-defined,misc]
        id = Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
        name = Column(Text)
        host_id: Column[uuid.UUID] = Column(ForeignKey("users.id"))
        notification_delay = Column(SmallInteger)

    directory, host = SQLAlchemyDirectory(db, events=Gig), uuid.uuid4()
    found = []
    for number in (1, 2):
        app = Flask(f"number{number}")
        app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path / str(number)}.db"
        db.init_app(app)
        with app.app_context():
            db.create_all()
            db.session.add(Person(id=host, email="host@example.org"))
            db.session.add(Gig(id=7, name=f"Jam {number}", host_id=host, notification_delay=number))
            db.session.commit()
            found.append(directory("7"))
            db.engine.dispose()
    assert found == [
        Event("7", f"Jam {n}", str(host), "host@example.org", float(n)) for n in (1, 2)
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"columns": {"events.titel": "title"}}, "did you mean"),
        ({"events": 7}, "events is int: expected a table's name"),
        ({"events": None}, "events is NoneType"),
        ({"events": "gigs"}, r"no table 'gigs' in the database: .*events=…"),
        ({"columns": {"events.name": "title"}}, r"no column 'title'.*columns={'events.name': …}"),
    ],
)
def test_what_does_not_fit_is_an_error_with_the_cure(
    make_engine: MakeEngine, options: dict[str, Any], expected: str
) -> None:
    """A name that is wrong is said, with what to write instead."""
    engine = make_engine()
    tables(engine)
    with pytest.raises(ConfigurationError, match=expected):
        SQLAlchemyDirectory(engine, **options)("7")


def test_something_else_than_a_database_is_an_error() -> None:
    """An address is no engine."""
    with pytest.raises(ConfigurationError, match="given str: expected a Flask-SQLAlchemy db"):
        SQLAlchemyDirectory("sqlite://")


def test_an_asynchronous_engine_is_an_error_with_the_cure() -> None:
    """Nothing in this package runs in an event loop: said where it is given, and not at an end."""
    engine = create_async_engine("postgresql+psycopg://nobody@127.0.0.1/nothing")
    for given in (engine, engine.sync_engine):
        with pytest.raises(ConfigurationError, match=r"asynchronous .*sqlalchemy\.create_engine"):
            SQLAlchemyDirectory(given)


def test_without_sqlalchemy_the_cure_is_said() -> None:
    """The name is there all the same; using it says what to install."""
    program = (
        "import sys\nsys.modules['sqlalchemy'] = None\nfrom flask_streamend import *\n"
        "try:\n    SQLAlchemyDirectory(None)\n"
        "except ConfigurationError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert "pip install 'flask-streamend[sqlalchemy]'" in done.stdout


# A database that is slow or away.


def test_a_locked_sqlite_file_is_given_up_and_the_connection_handed_back_as_it_was(
    make_engine: MakeEngine, tmp_path: Path
) -> None:
    """A lock that outlasts the time for it is an error, however long the application would wait."""
    engine = make_engine(connect_args={"timeout": 3600})
    fill(engine, "jam")
    directory = SQLAlchemyDirectory(engine)
    with closing(sqlite3.connect(tmp_path / "tables.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DirectoryError, match="database is locked"):
            directory("jam")
        other.execute("ROLLBACK")
    assert directory("jam") is not None
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 3_600_000


def test_a_locked_table_of_postgresql_is_given_up(
    postgres: PostgresServer, make_engine: MakeEngine
) -> None:
    """The statement is cancelled by the server; the application's own time-outs are as before."""
    engine = make_engine(postgres.url)
    fill(engine, "jam")
    directory = SQLAlchemyDirectory(engine)
    with closing(postgres.connect()) as other, other.transaction():
        other.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DirectoryError, match="statement timeout"):
            directory("jam")
    assert directory("jam") is not None
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "0"


def test_a_connection_is_made_in_time_where_the_directory_makes_it(
    postgres: PostgresServer, make_engine: MakeEngine
) -> None:
    """Its own connections have two seconds; the application's have what the application gives."""
    engine = make_engine(postgres.url, poolclass=NullPool)
    fill(engine, "jam")
    directory = SQLAlchemyDirectory(engine)
    assert directory("jam") is not None
    given: list[object] = []

    def connecting(dialect: object, record: object, args: object, options: dict[str, Any]) -> None:
        given.append(options.get("connect_timeout"))

    listen(engine, "do_connect", connecting)
    assert directory("jam") is not None
    engine.connect().close()
    assert given == [2, None]


@pytest.mark.parametrize("known", [True, False])
def test_a_paused_postgresql_is_given_up(
    postgres: PostgresServer, make_engine: MakeEngine, known: bool
) -> None:
    """A server that answers nothing, on an open connection or a new one, is cut off."""
    engine = make_engine(postgres.url)
    fill(engine, "jam")
    directory = SQLAlchemyDirectory(engine)
    assert directory("jam") is not None
    if not known:
        engine.dispose()
    postgres.pause()
    try:
        with pytest.raises(DirectoryError):
            directory("jam")
    finally:
        postgres.resume()
    assert directory("jam") is not None


def test_a_database_that_is_far_away_is_found_step_by_step(
    make_engine: MakeEngine, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table is looked at in one statement; one that was found is known to the next try."""
    monkeypatch.setattr(asking, "ALL", FAR)
    postgres.empty()
    engine = make_engine(postgres.url)
    tables(engine)
    run(engine, "INSERT INTO events VALUES (7, 'Jam', 1)")
    looks: list[str] = []

    def far_away(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "pg_attribute" in statement:
            looks.append(statement)
            if len(looks) == 2:
                # So far that its answer does not come before the connection is cut.
                select.select([connection.connection.dbapi_connection.fileno()], [], [], PATIENCE)

    listen(engine, "before_cursor_execute", far_away)
    directory = SQLAlchemyDirectory(engine)
    with pytest.raises(DirectoryError):
        directory("7")
    assert len(looks) == 2
    assert directory("7") == Event("7", "Jam", "1", "host@example.org")
    assert len(looks) == 3


def test_a_postgresql_that_was_restarted_is_asked_again_at_once(
    postgres: PostgresServer, make_engine: MakeEngine
) -> None:
    """A connection that was lost while nobody used it is no failure."""
    engine = make_engine(postgres.url)
    fill(engine, "jam")
    directory = SQLAlchemyDirectory(engine)
    assert directory("jam") is not None
    postgres.stop()
    with pytest.raises(DirectoryError):
        directory("jam")
    postgres.start()
    assert directory("jam") is not None
    with closing(postgres.connect()) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
    assert directory("jam") is not None


FORKED = """\
import os, sys
from sqlalchemy import create_engine, text
from flask_streamend import SQLAlchemyDirectory

engine = create_engine(sys.argv[1])
directory = SQLAlchemyDirectory(engine)

def backend():
    assert directory("jam").name == "The jam"
    with engine.connect() as connection:
        return connection.scalar(text("SELECT pg_backend_pid()"))

print(backend(), flush=True)
if os.fork() == 0:
    print(backend(), flush=True)
    os._exit(0)
os.wait()
print(backend(), flush=True)
"""


def test_a_fork_has_connections_of_its_own(postgres: PostgresServer) -> None:
    """``flask streamend worker`` asks by the application's pool, and forks for its other jobs."""
    postgres.empty()
    engine = create_engine(postgres.url)
    fill(engine, "jam")
    engine.dispose()
    url = postgres.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", FORKED, url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    parent, child, again = done.stdout.split()
    assert child != parent, "two processes at one connection"
    assert again == parent, "the parent's is still open"


def test_what_is_asked_of_it_is_not_in_an_error(engine: Engine) -> None:
    """An error says what the driver said, without the statement and what was in it."""
    fill(engine, "jam")
    directory = SQLAlchemyDirectory(engine, events=EVENTS, users=USERS)
    run(engine, "ALTER TABLE users RENAME TO others")
    with pytest.raises(DirectoryError) as raised:
        directory("jam")
    assert "users" in str(raised.value)
    assert "jam" not in str(raised.value)
    assert "SELECT" not in str(raised.value)


def test_a_table_that_changed_is_looked_at_again(engine: Engine) -> None:
    """After an error the tables are looked at anew: a migration may have renamed a column."""
    fill(engine, "jam")
    directory = SQLAlchemyDirectory(engine)
    assert directory("jam") is not None
    run(engine, "ALTER TABLE events RENAME COLUMN notification_delay TO notification_delay_s")
    with pytest.raises(DirectoryError):
        directory("jam")
    assert directory("jam") is not None
