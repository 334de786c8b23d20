"""An event with its host, out of the application's tables."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from flask import current_app
from sqlalchemy import (
    JSON,
    Connection,
    Row,
    Select,
    Text,
    bindparam,
    cast,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.exc import DataError, DBAPIError, StatementError

from ..errors import ConfigurationError, EventIdError
from ..event import MAX_DELAY, MAX_DIGEST, Event, Preferences, check_delay, check_event_id
from ..state import KEY
from ..telemetry.logs import log
from .ids import fit, text_of
from .tables import Tables

#: What each preference is to be.
_KINDS = {
    "channels": "a list of names, each 1 to 32 of a-z 0-9 _ -",
    "muted": "true or false",
    "delay": f"a number of seconds from 0 to {MAX_DELAY:,.0f}",
    "digest": f"a number of seconds over 0 and up to {MAX_DIGEST:,.0f}",
}


class SeveralRows(ConfigurationError):
    """An id that is not one row's: whose event it is can't be told."""


def load(connection: Connection, tables: Tables, event_id: str) -> Event | None:
    """Return an event; None where no row has exactly this id.

    :raises ConfigurationError: where several have it.
    """
    try:
        row = find(connection, tables, [check_event_id(event_id)]).get(event_id)
    except (EventIdError, DataError):
        return None
    except StatementError as error:
        if isinstance(error, DBAPIError):
            raise
        return None  # the column's own type does not take it
    if row is None:
        return None
    return Event(
        id=event_id,
        name=event_id if row.name is None else str(row.name),
        host_id="" if row.host_id is None else str(row.host_id),
        host_email=row.email,
        delay=_delay(event_id, row.notification_delay),
        preferences=_preferences(event_id, row.notification_preferences),
    )


def find(connection: Connection, tables: Tables, ids: Iterable[str]) -> dict[str, Row[Any]]:
    """Return events' rows by their ids: id, name, host_id, email and what else there is of them.

    :raises StatementError: where the column of ids does not take one of them, among others.
    :raises SeveralRows: where one of them is several rows'.
    """
    column, dialect = tables.events["id"], connection.dialect.name
    values = [value for each in ids if (value := fit(column, each, dialect)) is not None]
    if not values:
        return {}
    # A database may take two texts for one, as `jam` and `JAM`: only the same text is the same.
    these = bindparam("ids", values, type_=column.type, expanding=True)
    found: dict[str, Row[Any]] = {}
    for row in connection.execute(_query(tables, dialect).where(column.in_(these))):
        text = text_of(column, row.id)
        if text in found:
            raise SeveralRows(
                f"SQLAlchemyDirectory finds several rows for the event {text}: expected that"
                f" {column} and {tables.users['id']} are unique, each by itself"
            )
        found[text] = row
    return found


def _query(tables: Tables, dialect: str) -> Select[Any]:
    events, users = tables.events, tables.users
    delay: Any = events.get("notification_delay", literal(None))
    wishes: Any = users.get("notification_preferences", literal(None))
    if isinstance(wishes.type, JSON):
        # As text: what can't be read of them must not keep the row from us. PostgreSQL's drivers
        # would read it, and SQLite has no other text to make of it.
        as_text: Any = cast if dialect == "postgresql" else type_coerce
        wishes = as_text(wishes, Text)
    hosts = events["host_id"] == users["id"]
    return select(
        events["id"].label("id"),
        events["name"].label("name"),
        events["host_id"].label("host_id"),
        users["email"].label("email"),
        delay.label("notification_delay"),
        wishes.label("notification_preferences"),
    ).select_from(events["id"].table.outerjoin(users["id"].table, hosts))


def _delay(event_id: str, value: Any) -> float | None:
    try:
        if value is None:
            return None
        return check_delay(float(value) if isinstance(value, Decimal) else value, "it")
    except ValueError:
        _warn(event_id, "its notification_delay is no number of seconds from 0 to 86,400")
        return None


def _preferences(event_id: str, value: Any) -> Preferences | None:
    """Return a host's preferences; what is malformed is as if it were not there."""
    try:
        wishes = json.loads(value) if isinstance(value, (str, bytes)) else value
    except (ValueError, RecursionError):
        wishes = value
    if wishes is None:
        return None
    if not isinstance(wishes, dict):
        _warn(event_id, "its host's notification_preferences are no JSON object")
        return None
    usable: dict[str, Any] = {}
    for key in _KINDS:
        if wishes.get(key) is None:
            continue
        try:
            one = {key: _usable(key, wishes[key])}
            Preferences(**one)
            usable |= one
        except (TypeError, ValueError, OverflowError):
            expected = _KINDS[key]
            _warn(event_id, f"in its host's notification_preferences {key} is not {expected}")
    return Preferences(**usable)


def _usable(key: str, value: Any) -> Any:
    """Return one preference.

    :raises ValueError: where it has not the right type; what else may be wrong with it
        :class:`~flask_streamend.Preferences` says.
    """
    if key == "channels":
        if isinstance(value, list) and all(isinstance(name, str) and name for name in value):
            return tuple(dict.fromkeys(value))
    elif isinstance(value, bool):
        if key == "muted":
            return value
    elif key != "muted" and isinstance(value, (int, float)) and value >= 0:
        return float(value)
    raise ValueError(key)


def _warn(event_id: str, what: str) -> None:
    """Say, and count, what can't be used; not its value, which may be anything."""
    log.warning("Event %s: %s", event_id, what, extra={"event_id": event_id})
    if current_app and KEY in current_app.extensions:
        current_app.extensions[KEY].tally.error("event_loader")
