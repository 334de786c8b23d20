"""What became of each notice, as a row of the application's table."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Integer,
    Row,
    String,
    Uuid,
    and_,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from ..errors import PermanentError
from ..event import NoticeRecord
from ..notices.subject import subject
from .asking import brief
from .ids import fit
from .loader import find
from .tables import Columns, Tables

#: What a notice is by; the table's unique constraint.
KEY = ("event_id", "session", "channel")
#: What stays as it was first written.
FIRST = (*KEY, "id", "host_id", "created_at")
#: A row that says one of these says so for good.
FINAL = ("sent", "digested")

_INSERT: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
_NAMESPACE = uuid.UUID("b1b49e0a-31a4-4a53-a2c6-5c8b2f0fd7a4")


def record(connection: Connection, tables: Tables, notice: NoticeRecord) -> None:
    """Make a notice's row, or bring it up to date.

    :raises PermanentError: where the table does not take it.
    """
    emails = tables.emails
    if emails is None:
        return
    row = find(connection, tables, notice.event_id)
    if row is None:
        return
    values = _values(emails, notice, row, connection.dialect.name)
    try:
        upsert = _INSERT.get(connection.dialect.name)
        if upsert is None:
            write_anywhere(connection, emails, values)
        else:
            _upsert(connection, emails, values, upsert)
    except StatementError as error:
        if isinstance(error, DBAPIError) and not isinstance(error, (DataError, IntegrityError)):
            raise
        raise PermanentError(brief(error), "other") from error


def _values(
    emails: Columns, notice: NoticeRecord, row: Row[Any], dialect: str
) -> dict[Column[Any], Any]:
    """Return what the row is to say, in those columns that are there."""
    said: dict[str, Any] = {
        "event_id": _id(emails, "event_id", notice.event_id, dialect),
        "session": notice.session,
        "channel": notice.channel,
        "status": notice.status,
        "host_id": _id(emails, "host_id", row.host_id, dialect),
        "message_id": notice.message_id,
        "subject": notice.subject or subject(str(row.name or notice.event_id)),
        "attempts": notice.attempts,
        "error": notice.error or None,
        "created_at": notice.at,
        "sent_at": notice.at if notice.status in FINAL else None,
    }
    values = {emails[n]: _in_column(emails[n], said[n]) for n in said if n in emails}
    own_id = emails.get("id")
    if own_id is not None and _needs_value(own_id):
        # Made of the key, so that the same notice always gets the same one.
        made = uuid.uuid5(_NAMESPACE, "\n".join(getattr(notice, name) for name in KEY))
        as_is = isinstance(own_id.type, Uuid) and own_id.type.as_uuid
        values[own_id] = made if as_is else str(made)
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
    if isinstance(value, float):
        moment = datetime.fromtimestamp(value, timezone.utc)
        if not isinstance(column.type, DateTime):
            return moment.isoformat()
        return moment if column.type.timezone else moment.replace(tzinfo=None)
    if isinstance(value, str) and isinstance(column.type, String) and column.type.length:
        return value[: column.type.length]
    return value


def _upsert(
    connection: Connection, emails: Columns, values: dict[Column[Any], Any], make: Any
) -> None:
    statement = make(emails["session"].table).values({c.name: v for c, v in values.items()})
    statement = statement.on_conflict_do_update(
        index_elements=[emails[name] for name in KEY],
        set_={c.name: statement.excluded[c.name] for c in _changing(emails, values)},
        where=_open(emails),
    )
    # Inline: where the row stays as it is there is none to return an id of.
    connection.execute(statement.inline())


def write_anywhere(connection: Connection, emails: Columns, values: dict[Column[Any], Any]) -> None:
    """Do the same where the database has no ``ON CONFLICT``: update, else insert, else update.

    That a second worker makes no second row is up to the table's unique constraint.
    """
    table = emails["session"].table
    this = and_(*(emails[name] == values[emails[name]] for name in KEY))
    changing = {c.name: values[c] for c in _changing(emails, values)}
    change = update(table).where(this, _open(emails)).values(changing)
    if connection.execute(change).rowcount:
        return
    try:
        with connection.begin_nested():
            everything = {c.name: v for c, v in values.items()}
            connection.execute(insert(table).values(everything).inline())
    except IntegrityError:
        if connection.execute(select(emails["session"]).where(this)).first() is None:
            raise
        connection.execute(change)


def _changing(emails: Columns, values: dict[Column[Any], Any]) -> list[Column[Any]]:
    first = [emails[name] for name in FIRST if name in emails]
    return [column for column in values if not any(column is one for one in first)]


def _open(emails: Columns) -> ColumnElement[bool]:
    """Return that a row is not final: the word of a worker that was late is not the last."""
    return emails["status"].not_in(FINAL)
