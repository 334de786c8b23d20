"""The row of each notice, in SQLite, in PostgreSQL, and as any other database would have it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Engine,
    Float,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    create_engine,
    select,
)

from flask_streamend import DirectoryError, PermanentError, SQLAlchemyDirectory
from flask_streamend.directory import recorder
from flask_streamend.event import NoticeRecord

from .apps.directory import EVENTS, fill
from .postgres import PostgresServer

AT = 1_700_000_000.25
UTC = datetime.fromtimestamp(AT, timezone.utc)
MakeEngine = Callable[[], Engine]


#: "as another": without what is known of its kind.
DATABASES = ("sqlite", "postgresql", "postgresql as another", "sqlite as another")
KINDS = ("CHAR(32)", "UUID")


@pytest.fixture(params=DATABASES)
def engine(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    """Return a database with two events, in turn with and without its own way to upsert."""
    kind, _, other = request.param.partition(" ")
    if other:
        monkeypatch.setattr(recorder, "_INSERT", {})
    if kind == "sqlite":
        engine = create_engine(f"sqlite:///{tmp_path / 'tables.db'}")
    else:
        postgres: PostgresServer = request.getfixturevalue("postgres")
        postgres.empty()
        engine = create_engine(postgres.url)
    fill(engine, "jam", "gig")
    yield engine
    engine.dispose()


def notice(status: str = "sent", **other: Any) -> NoticeRecord:
    """Return what became of a notice."""
    said = {
        "event_id": "jam",
        "session": "5e55",
        "channel": "email",
        "message_id": "<1@example.org>",
        "attempts": 1,
        "error": "",
        "at": AT,
    }
    return NoticeRecord(status=status, **(said | other))  # type: ignore[arg-type]


def rows(engine: Engine, table: str = "emails") -> list[dict[str, Any]]:
    """Return the rows of notices as the database has them, by their event and channel."""
    with engine.connect() as connection:
        emails = Table(table, MetaData(), autoload_with=connection, resolve_fks=False)
        query = select(emails).order_by(emails.c.event_id, emails.c.session, emails.c.channel)
        return [dict(row._mapping) for row in connection.execute(query)]


def run(engine: Engine, *statements: str) -> None:
    """Run statements."""
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def moment(engine: Engine, value: datetime) -> datetime:
    """Return a moment as this database gives it back: SQLite knows no zones."""
    return value.replace(tzinfo=None) if engine.dialect.name == "sqlite" else value


def test_a_notice_is_a_row(engine: Engine) -> None:
    """What was sent, to whom and about what; and nobody's address."""
    SQLAlchemyDirectory(engine).record([notice()])
    (row,) = rows(engine)
    assert row.pop("id") == 1
    assert row == {
        "message_id": "<1@example.org>",
        "event_id": "jam",
        "session": "5e55",
        "host_id": 1,
        "channel": "email",
        "subject": "Event Stream Ended - The jam",
        "status": "sent",
        "attempts": 1,
        "error": None,
        "created_at": moment(engine, UTC),
        "sent_at": moment(engine, UTC),
    }


def test_an_attempt_brings_its_row_up_to_date(engine: Engine) -> None:
    """Whatever is told of a notice is in one row; once that says sent, it stays so."""
    directory = SQLAlchemyDirectory(engine)
    directory.record([notice("retrying", error="OSError: away")])
    (row,) = rows(engine)
    assert (row["status"], row["error"], row["sent_at"]) == ("retrying", "OSError: away", None)
    directory.record([notice(attempts=2, at=AT + 5)])
    (sent,) = rows(engine)
    assert (sent["status"], sent["attempts"], sent["error"]) == ("sent", 2, None)
    assert sent["created_at"] == moment(engine, UTC) < sent["sent_at"]
    directory.record([notice("retrying", error="late"), notice("dead", at=AT + 9)])
    directory.record([notice(attempts=3, at=AT + 9)])
    assert rows(engine) == [sent]


def test_each_session_and_channel_has_a_row(engine: Engine) -> None:
    """Of two sessions, two channels and two events none takes another's row."""
    directory = SQLAlchemyDirectory(engine)
    several = [notice(), notice(session="c0de"), notice(channel="sms"), notice(event_id="gig")]
    for _ in range(2):
        directory.record(several)
    assert len(rows(engine)) == 4
    assert {row["subject"] for row in rows(engine)} == {
        "Event Stream Ended - The jam",
        "Event Stream Ended - The gig",
    }


def test_a_subject_of_its_own_is_kept_and_a_long_one_cut(engine: Engine) -> None:
    """A message about several events says so; what a column does not hold is cut."""
    with engine.begin() as connection:
        connection.execute(EVENTS.update().values(name="Jam\r\n" + "é" * 400))
    directory = SQLAlchemyDirectory(engine)
    directory.record([notice(subject="2 event streams ended"), notice(channel="sms")])
    own, long = rows(engine)
    assert own["subject"] == "2 event streams ended"
    assert len(long["subject"]) == 255
    assert long["subject"].startswith("Event Stream Ended - Jam é")


def test_no_table_or_no_event_is_no_row(engine: Engine) -> None:
    """Where nobody keeps notices, or the event is gone, nothing is written and nothing raised."""
    SQLAlchemyDirectory(engine).record([notice(event_id="other"), notice()])
    assert len(rows(engine)) == 1
    SQLAlchemyDirectory(engine, emails=None).record([notice(session="c0de")])
    assert len(rows(engine)) == 1
    run(engine, "DROP TABLE emails")
    SQLAlchemyDirectory(engine).record([notice()])


def test_a_table_of_notices_that_is_locked_keeps_no_event_from_being_found(
    postgres: PostgresServer,
) -> None:
    """Not even its columns are looked at to find an event: for that too it would be waited for."""
    postgres.empty()
    engine = create_engine(postgres.url)
    fill(engine, "jam")
    directory = SQLAlchemyDirectory(engine)
    with closing(postgres.connect()) as other, other.transaction():
        other.execute("LOCK TABLE emails IN ACCESS EXCLUSIVE MODE")
        assert directory("jam") is not None
        with pytest.raises(DirectoryError):
            directory.record([notice()])
        assert directory("jam") is not None
    directory.record([notice()])
    assert len(rows(engine)) == 1
    engine.dispose()


KEY = "session VARCHAR(64), channel VARCHAR(64), UNIQUE (event_id, session, channel)"


@pytest.mark.parametrize(
    ("engine", "kind"),
    # SQLite has no UUIDs.
    [
        (name, kind)
        for name in DATABASES
        for kind in KINDS
        if (name[:6], kind) != ("sqlite", "UUID")
    ],
    indirect=["engine"],
)
def test_an_id_that_nobody_gives_is_made(engine: Engine, kind: str) -> None:
    """A text or a UUID for an id is made here, of what the row is by; few columns are enough."""
    columns = f"id {kind} PRIMARY KEY, event_id VARCHAR(128), state VARCHAR(16), {KEY}"
    run(engine, f"CREATE TABLE sent ({columns})")
    directory = SQLAlchemyDirectory(engine, emails="sent", columns={"emails.status": "state"})
    directory.record([notice("retrying"), notice(channel="sms")])
    before = [row["id"] for row in rows(engine, "sent")]
    directory.record([notice("sent")])
    assert [row["id"] for row in rows(engine, "sent")] == before
    assert uuid.UUID(str(before[0])) != uuid.UUID(str(before[1]))
    assert [row["state"] for row in rows(engine, "sent")] == ["sent", "sent"]


def test_ids_are_as_each_table_has_them(engine: Engine) -> None:
    """Numbers for events and hosts may be texts among the notices, and the other way round."""
    run(
        engine,
        "CREATE TABLE people (id VARCHAR(9), email TEXT)",
        "CREATE TABLE gigs (id VARCHAR(9), name TEXT, host_id VARCHAR(9))",
        f"CREATE TABLE sent (event_id INTEGER, host_id INTEGER, status TEXT, {KEY})",
        "INSERT INTO gigs VALUES ('7', 'Jam', '1'), ('jam', 'Jam', '1')",
    )
    directory = SQLAlchemyDirectory(engine, events="gigs", users="people", emails="sent")
    directory.record([notice(event_id="7")])
    (row,) = rows(engine, "sent")
    assert (row["event_id"], row["host_id"]) == (7, 1)
    with pytest.raises(PermanentError, match=r"event_id does not fit the column sent\.event_id"):
        directory.record([notice(event_id="jam")])


class Zoned(TypeDecorator[datetime]):
    """Times with a zone in a column without: SQLAlchemy's own documentation has such a type."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Take no time without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError("a time without a zone")
        return value.astimezone(timezone.utc).replace(tzinfo=None)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        (Zoned(), UTC.replace(tzinfo=None)),
        (DateTime(), UTC.replace(tzinfo=None)),
        (Float(), AT),
        (BigInteger(), int(AT)),
        (Text(), UTC.isoformat()),
    ],
)
def test_a_time_is_as_its_column_has_times(engine: Engine, kind: Any, stored: object) -> None:
    """With a zone for a type of the application's own, seconds in a column of numbers, a text."""
    key = [Column(name, String(64)) for name in recorder.KEY]
    columns = (
        *key,
        Column("status", Text),
        Column("sent_at", kind),
        UniqueConstraint(*recorder.KEY),
    )
    sent = Table("sent", MetaData(), *columns)
    sent.create(engine)
    SQLAlchemyDirectory(engine, emails=sent).record([notice()])
    (row,) = rows(engine, "sent")
    assert row["sent_at"] == stored


@pytest.mark.parametrize("engine", ["postgresql", "postgresql as another"], indirect=True)
def test_a_status_may_be_an_enumeration(engine: Engine) -> None:
    """What it has is written; what it lacks is refused, whole, and takes nothing else along."""
    states = "'sent', 'retrying'"
    run(engine, f"CREATE TYPE states AS ENUM ({states})")
    run(engine, f"CREATE TABLE sent (event_id TEXT, status states, {KEY})")
    directory = SQLAlchemyDirectory(engine, emails="sent")
    directory.record([notice("retrying"), notice(channel="sms")])
    directory.record([notice("sent")])
    with pytest.raises(PermanentError, match="dead"):
        directory.record([notice("dead", channel="push")])
    assert [row["status"] for row in rows(engine, "sent")] == ["sent", "sent"]
    run(engine, "DROP TABLE sent", "DROP TYPE states")


def test_a_row_that_is_refused_is_for_good_and_not_shown(engine: Engine) -> None:
    """What the table does not take is no use to try again; none of the others is written."""
    with engine.begin() as connection:
        connection.execute(EVENTS.update().where(EVENTS.c.id == "gig").values(host_id=None))
    needs = f"event_id TEXT, status TEXT, subject TEXT, host_id INTEGER NOT NULL, {KEY}"
    run(engine, f"CREATE TABLE sent ({needs})")
    directory = SQLAlchemyDirectory(engine, emails="sent")
    with pytest.raises(PermanentError) as raised:
        directory.record([notice(), notice(event_id="gig")])
    assert "host_id" in str(raised.value)
    assert "The gig" not in str(raised.value)
    assert rows(engine, "sent") == []


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)
def test_a_table_without_its_constraint_is_said(engine: Engine) -> None:
    """Where the database can't see to it that a row is one, it says so; nothing is written."""
    columns = "event_id TEXT, session TEXT, channel TEXT, status TEXT"
    run(engine, f"CREATE TABLE sent ({columns})")
    with pytest.raises(DirectoryError, match="ON CONFLICT"):
        SQLAlchemyDirectory(engine, emails="sent").record([notice()])
    assert rows(engine, "sent") == []


def test_workers_with_the_same_notices_make_one_row_each(engine: Engine) -> None:
    """Several at once, each in another order: no deadlock, and no second row."""
    directory = SQLAlchemyDirectory(engine)
    directory.record([notice(session="first")])
    failures: list[Exception] = []
    together = threading.Barrier(4)

    def work(number: int) -> None:
        several = [notice(session=f"s{n}", attempts=number) for n in range(10)]
        together.wait()
        for round_ in range(3):
            try:
                directory.record(several[:: (-1) ** (number + round_)])
            except DirectoryError as error:
                # SQLite lets one write at a time, and does not queue them.
                if engine.dialect.name != "sqlite":
                    failures.append(error)
            except Exception as error:  # noqa: BLE001 - shown below
                failures.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures
    assert len(rows(engine)) == 11
