"""What became of each notice, as a row of the application's table."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Enum,
    Float,
    Integer,
    Numeric,
    Row,
    String,
    TypeDecorator,
    Uuid,
    and_,
    cast,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from ..errors import PermanentError
from ..event import NoticeRecord
from ..words import subject
from .asking import brief
from .ids import fit
from .loader import SeveralRows, find
from .tables import Columns, Tables

#: What a notice is by; the table's unique constraint.
KEY = ("event_id", "session", "channel")
#: What stays as it was first written.
FIRST = (*KEY, "id", "host_id", "created_at")
#: A row that says one of these says so for good.
FINAL = ("sent", "digested")

#: A row's values by the names of its columns.
Values = dict[str, Any]

_INSERT: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
_NAMESPACE = uuid.UUID("b1b49e0a-31a4-4a53-a2c6-5c8b2f0fd7a4")


def record(connection: Connection, tables: Tables, notices: Sequence[NoticeRecord]) -> None:
    """Make the rows of notices, or bring them up to date.

    :raises PermanentError: where the table does not take one of them.
    """
    emails, dialect = tables.emails, connection.dialect.name
    if emails is None:
        return
    upsert = _INSERT.get(dialect)
    try:
        events = find(connection, tables, {notice.event_id for notice in notices})
        # In one order: two workers with the same rows wait for one another, and never in a circle.
        rows = [
            _values(emails, notice, events[notice.event_id], dialect)
            for notice in sorted(notices, key=lambda one: [getattr(one, name) for name in KEY])
            if notice.event_id in events
        ]
        if upsert is not None and rows:
            _upsert(connection, emails, rows, upsert)
        else:
            for row in rows:
                write_anywhere(connection, emails, row)
    except SeveralRows as error:
        raise PermanentError(str(error), "other") from error
    except StatementError as error:
        if isinstance(error, DBAPIError) and not isinstance(error, (DataError, IntegrityError)):
            raise
        raise PermanentError(brief(error), "other") from error


def _values(emails: Columns, notice: NoticeRecord, event: Row[Any], dialect: str) -> Values:
    """Return what the row is to say, in those columns that are there."""
    said: dict[str, Any] = {
        "event_id": _id(emails, "event_id", notice.event_id, dialect),
        "session": notice.session,
        "channel": notice.channel,
        "status": notice.status,
        "host_id": _id(emails, "host_id", event.host_id, dialect),
        "message_id": notice.message_id,
        "subject": notice.subject or subject([str(event.name or notice.event_id)]),
        "attempts": notice.attempts,
        "error": notice.error or None,
        "created_at": notice.at,
        "sent_at": notice.at if notice.status in FINAL else None,
    }
    values = {emails[n].name: _in_column(emails[n], said[n]) for n in said if n in emails}
    own_id = emails.get("id")
    if own_id is not None and _needs_value(own_id):
        # Made of the key, so that the same notice always gets the same one.
        made = uuid.uuid5(_NAMESPACE, "\n".join(getattr(notice, name) for name in KEY))
        as_is = isinstance(own_id.type, Uuid) and own_id.type.as_uuid
        values[own_id.name] = made if as_is else made.hex
    return values


def _id(emails: Columns, name: str, value: object, dialect: str) -> Any:
    """Return an id as the table of notices has it, which need not be as the others have it."""
    if value is None or name not in emails:
        return None
    fitting = fit(emails[name], str(value), dialect)
    if fitting is None:
        raise PermanentError(f"the {name} does not fit the column {emails[name]}", "other")
    return fitting


def _needs_value(column: Column[Any]) -> bool:
    """Return whether neither the database nor the application gives an id by itself."""
    by_itself = column.default or column.server_default or column.identity
    return not by_itself and not isinstance(column.type, Integer)


def _in_column(column: Column[Any], value: Any) -> Any:
    """Return a value as a column of its type has it: a moment as a time in UTC, a text cut."""
    kind = column.type
    if isinstance(value, float):
        return _moment(kind, value)
    # An enumeration has a length, too.
    if isinstance(value, str) and isinstance(kind, String) and not isinstance(kind, Enum):
        return value[: kind.length]
    return value


def _moment(kind: Any, at: float) -> Any:
    moment = datetime.fromtimestamp(at, timezone.utc)
    if isinstance(kind, TypeDecorator):
        return moment  # the application's own type, which makes of it what it has
    if isinstance(kind, (Integer, Numeric, Float)):
        return int(at) if isinstance(kind, Integer) else at
    if isinstance(kind, DateTime):
        return moment if kind.timezone else moment.replace(tzinfo=None)
    return moment.isoformat()


def _upsert(connection: Connection, emails: Columns, rows: list[Values], make: Any) -> None:
    # Inline: where a row stays as it is there is none to return an id of.
    insert = make(emails["session"].table).inline()
    statement = insert.on_conflict_do_update(
        index_elements=[emails[name] for name in KEY],
        set_={name: insert.excluded[name] for name in _changing(emails, rows[0])},
        where=_open(emails),
    )
    connection.execute(statement, rows)


def write_anywhere(connection: Connection, emails: Columns, row: Values) -> None:
    """Do the same where the database has no ``ON CONFLICT``: update, else insert, else update.

    That a second worker makes no second row is up to the table's unique constraint.
    """
    table = emails["session"].table
    this = and_(*(emails[name] == row[emails[name].name] for name in KEY))
    changing = {name: row[name] for name in _changing(emails, row)}
    change = update(table).where(this, _open(emails)).values(changing)
    if connection.execute(change).rowcount:
        return
    try:
        with connection.begin_nested():
            connection.execute(insert(table).values(row).inline())
    except IntegrityError:
        if connection.execute(select(emails["session"]).where(this)).first() is None:
            raise
        connection.execute(change)


def _changing(emails: Columns, row: Values) -> list[str]:
    """Return the names of the columns that are brought up to date."""
    first = {emails[name].name for name in FIRST if name in emails}
    return [name for name in row if name not in first]


def _open(emails: Columns) -> ColumnElement[bool]:
    """Return that a row is not final: the word of a worker that was late is not the last."""
    # As text: an enumeration of the database's is compared with nothing else than what it has.
    status = cast(emails["status"], String)
    return and_(*(status != final for final in FINAL))
