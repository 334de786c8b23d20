"""The application's tables and columns, by the names this package knows them by."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Table
from sqlalchemy.exc import NoSuchTableError

from ..errors import ConfigurationError

Columns = Mapping[str, "Column[Any]"]


@dataclass(frozen=True)
class Tables:
    """The columns of each table, by the contract's names; an optional one may be missing.

    :param emails: None where notices are not recorded.
    :param complete: whether everything optional is there.
    """

    events: Columns
    users: Columns
    emails: Columns | None
    complete: bool


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


def find(connection: Connection, names: Names, metadata: MetaData | None) -> Tables:
    """Return the tables, as they are declared or else as the database has them.

    :raises ConfigurationError: where a table or a column is missing, with the cure.
    """
    found: dict[str, Columns | None] = {}
    complete = True
    for name, spec in names.tables.items():
        table = None if spec is None else _table(connection, spec, metadata)
        if table is None:
            if name != "emails":
                raise ConfigurationError(
                    f"SQLAlchemyDirectory finds no table {spec!r} in the database: give its name as"
                    f" SQLAlchemyDirectory(db, {name}=…)"
                )
            found[name], complete = None, complete and spec is None
            continue
        columns: dict[str, Column[Any]] = {}
        for key, here in names.required[name].items():
            if here not in table.c:
                raise ConfigurationError(
                    f"SQLAlchemyDirectory finds no column {here!r} in the table {table.fullname!r}:"
                    f" give its name in columns={{{f'{name}.{key}'!r}: …}}"
                )
            columns[key] = table.c[here]
        optional = names.optional[name]
        columns.update({key: table.c[here] for key, here in optional.items() if here in table.c})
        complete = complete and all(here in table.c for here in optional.values())
        found[name] = columns
    events, users = found["events"], found["users"]
    assert events is not None
    assert users is not None
    return Tables(events, users, found["emails"], complete)


def _table(connection: Connection, spec: str | Table, metadata: MetaData | None) -> Table | None:
    if isinstance(spec, Table):
        return spec
    if metadata is not None and spec in metadata.tables:
        return metadata.tables[spec]
    schema, _, name = spec.rpartition(".")
    try:
        return Table(
            name,
            MetaData(),
            schema=schema or None,
            autoload_with=connection,
            resolve_fks=False,
        )
    except NoSuchTableError:
        return None
