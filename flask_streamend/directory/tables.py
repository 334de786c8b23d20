"""The application's tables and columns, by the names this package knows them by."""

from __future__ import annotations

import difflib
import time
from collections.abc import Mapping
from math import inf
from typing import Any

from sqlalchemy import Column, Connection, FetchedValue, MetaData, Table, inspect
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import NoSuchTableError

from ..errors import ConfigurationError

Columns = Mapping[str, "Column[Any]"]

#: Seconds after which it is looked again for an optional table or column that was not there.
LOOK_AGAIN = 60.0


class Names:
    """What an application calls its tables and columns.

    :param tables: for each of the contract's tables its name here, a Table, or a mapped class.
    :param known: for each of them its columns; after a ``?`` those that may be missing.
    :param columns: those with another name here, by ``table.column``.
    :raises ConfigurationError: where a column is none of the contract's.
    """

    def __init__(
        self, tables: Mapping[str, Any], known: Mapping[str, str], columns: Mapping[str, str]
    ) -> None:
        self.tables = {name: getattr(spec, "__table__", spec) for name, spec in tables.items()}
        for name, spec in self.tables.items():
            if not isinstance(spec, (str, Table)) and not (spec is None and name == "emails"):
                raise ConfigurationError(
                    f"SQLAlchemyDirectory's {name} is {type(spec).__name__}: expected a table's"
                    " name, a Table or a mapped class"
                )
        self.required: dict[str, dict[str, str]] = {}
        self.optional: dict[str, dict[str, str]] = {}
        for table, words in known.items():
            for kind, part in zip((self.required, self.optional), words.split("?"), strict=True):
                kind[table] = {c: columns.get(f"{table}.{c}", c) for c in part.split()}
        every = [f"{t}.{c}" for k in (self.required, self.optional) for t in k for c in k[t]]
        for key in columns:
            if key not in every:
                near = difflib.get_close_matches(key, every, 1, 0.0)[0]
                raise ConfigurationError(
                    f"SQLAlchemyDirectory knows no column {key!r}: did you mean {near!r}?"
                )


class Known:
    """What is known of one database's tables: each is looked for when it is first needed.

    So a table of notices that is locked, as in a migration, keeps no event from being found.

    :param metadata: of the application's models, where it has such.
    """

    def __init__(self, names: Names, metadata: MetaData | None) -> None:
        self._names = names
        self._metadata = metadata
        self._found: dict[str, tuple[Columns | None, float]] = {}

    def forget(self) -> None:
        """Look for all of them anew."""
        self._found = {}

    def columns(self, connection: Connection, name: str) -> Columns | None:
        """Return a table's columns; None where nobody keeps notices.

        :raises ConfigurationError: where a table or a column is missing, with the cure.
        """
        columns, until = self._found.get(name, (None, 0.0))
        if time.monotonic() > until:
            columns = self._find(connection, name)
            every = len(self._names.required[name]) + len(self._names.optional[name])
            there = self._names.tables[name] is None or len(columns or ()) == every
            self._found[name] = columns, inf if there else time.monotonic() + LOOK_AGAIN
        return columns

    def _find(self, connection: Connection, name: str) -> Columns | None:
        spec = self._names.tables[name]
        table = None if spec is None else _table(connection, spec, self._metadata)
        if table is None:
            if name == "emails":
                return None
            raise ConfigurationError(
                f"SQLAlchemyDirectory finds no table {spec!r} in the database: give its name as"
                f" SQLAlchemyDirectory(db, {name}=…)"
            )
        columns: dict[str, Column[Any]] = {}
        for key, here in self._names.required[name].items():
            if here not in table.c:
                # An `emails` may be about something else, or of before this package.
                more = "; add it, or have no notices recorded by emails=None"
                raise ConfigurationError(
                    f"SQLAlchemyDirectory finds no column {here!r} in the table {table.fullname!r}:"
                    f" give its name in columns={{{f'{name}.{key}'!r}: …}}"
                    f"{more if name == 'emails' else ''}"
                )
            columns[key] = table.c[here]
        optional = self._names.optional[name]
        return columns | {key: table.c[here] for key, here in optional.items() if here in table.c}


class Tables:
    """The columns of each table, by the contract's names, as far as one connection finds them."""

    def __init__(self, known: Known, connection: Connection) -> None:
        self._known = known
        self._connection = connection

    @property
    def events(self) -> Columns:
        """Return the columns of events."""
        return self._known.columns(self._connection, "events") or {}

    @property
    def users(self) -> Columns:
        """Return the columns of hosts."""
        return self._known.columns(self._connection, "users") or {}

    @property
    def emails(self) -> Columns | None:
        """Return the columns of notices; None where nobody keeps any."""
        return self._known.columns(self._connection, "emails")


def _table(connection: Connection, spec: str | Table, metadata: MetaData | None) -> Table | None:
    if isinstance(spec, Table):
        return spec
    if metadata is not None and spec in metadata.tables:
        return metadata.tables[spec]
    schema, _, name = spec.rpartition(".")
    try:
        # Not all that a reflection would ask for, a dozen queries a table: there is little time.
        found = inspect(connection).get_columns(name, schema=schema or None)
    except NoSuchTableError:
        return None
    return Table(name, MetaData(), *map(_column, found), schema=schema or None)


def _column(found: ReflectedColumn) -> Column[Any]:
    by_itself = found.get("default") is not None or "identity" in found
    default = FetchedValue() if by_itself else None
    return Column(found["name"], found["type"], server_default=default)
