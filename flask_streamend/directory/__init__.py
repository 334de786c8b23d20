"""The tables an application has already: who hosts an event, and what became of its notices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from ..event import Event, NoticeRecord

#: Every column by the name this package knows it by; those after the ``?`` may be missing.
COLUMNS = {
    "events": "id name host_id ? notification_delay",
    "users": "id email ? notification_preferences",
    "emails": "event_id session channel status"
    " ? id message_id host_id subject attempts error created_at sent_at",
}


class SQLAlchemyDirectory:
    """An event loader over the tables ``events`` and ``users``; it records notices in ``emails``.

    ::

        streamend = StreamEnd(event_loader=SQLAlchemyDirectory(db))

    A table may be given by its name (``schema.name`` too), as a ``Table``, or as a mapped class.
    What the metadata of a Flask-SQLAlchemy ``db`` does not declare is found by reflection. Where
    there is no table of notices, none is kept.

    :param source: a Flask-SQLAlchemy ``db``, or an SQLAlchemy engine.
    :param emails: None: notices are not recorded, whatever tables there are.
    :param columns: names of columns that differ, as ``{"events.name": "title"}``.
    :raises ConfigurationError: where one of these can't be used, or SQLAlchemy is not installed.
    """

    def __init__(
        self,
        source: Any,
        *,
        events: Any = "events",
        users: Any = "users",
        emails: Any = "emails",
        columns: Mapping[str, str] | None = None,
    ) -> None:
        try:
            from .asking import Asking
            from .tables import Names
        except ModuleNotFoundError as missing:
            raise ConfigurationError(
                "SQLAlchemyDirectory needs SQLAlchemy: pip install 'flask-streamend[sqlalchemy]'"
            ) from missing
        tables = {"events": events, "users": users, "emails": emails}
        self._asking = Asking(source, Names(tables, COLUMNS, columns or {}))

    def __call__(self, event_id: str) -> Event | None:
        """Return an event with its host's address and preferences; None where there is none.

        :raises DirectoryError: where the database does not answer within two seconds.
        :raises ConfigurationError: where the tables are not as expected, with the cure.
        """
        from .loader import load

        return self._asking.run(lambda connection, tables: load(connection, tables, event_id))

    def record(self, notices: Sequence[NoticeRecord]) -> None:
        """Write what became of notices: their rows in ``emails``, made or brought up to date.

        Nothing is written where there is no such table, or no such event any more.

        :raises PermanentError: where a row can't be written, however often it is tried.
        :raises DirectoryError: where the database does not answer within two seconds.
        """
        from .recorder import record

        self._asking.run(lambda connection, tables: record(connection, tables, notices))
