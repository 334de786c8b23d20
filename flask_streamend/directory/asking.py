"""Asking an application's database, for two seconds at the most."""

from __future__ import annotations

import os
import socket
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Pool, QueuePool, event, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..deadlines import within
from ..errors import ConfigurationError, DirectoryError
from .tables import Known, Names, Tables

T = TypeVar("T")

#: Seconds one statement may take, or wait for a lock.
STATEMENT = 1.5
#: Seconds after which what still goes on is cut off; those in which a connection must be made.
ALL = 2
#: Drivers that know ``connect_timeout``, in seconds.
TIMED = {"psycopg", "psycopg2", "pymysql", "mysqldb", "mariadbconnector"}


class _Seconds(int):
    """A time-out that is ours: some SQLAlchemy keeps a driver's options for the next connection."""


_asking: ContextVar[bool] = ContextVar("flask_streamend.directory", default=False)


_made: weakref.WeakSet[Asking] = weakref.WeakSet()


class Asking:
    """What is asked of one database, which may be slow or away.

    :param source: a Flask-SQLAlchemy ``db`` or an engine.
    """

    def __init__(self, source: Any, names: Names) -> None:
        # Of its class: a `db` has an engine within an application's context only.
        if not hasattr(type(source), "engine"):
            raise ConfigurationError(
                f"SQLAlchemyDirectory was given {type(source).__name__}: expected a"
                " Flask-SQLAlchemy db or an SQLAlchemy engine"
            )
        if getattr(getattr(source, "dialect", None), "is_async", False):
            raise ConfigurationError(
                "SQLAlchemyDirectory was given an asynchronous engine, which answers in an event"
                " loop only: expected one made by sqlalchemy.create_engine, for the same database"
            )
        self._source = source
        self._names = names
        # By engine: one `db` may serve several applications, each with a database of its own.
        self._known: weakref.WeakKeyDictionary[Engine, Known] = weakref.WeakKeyDictionary()
        self._parents: list[Pool] = []
        _made.add(self)

    def renew(self) -> None:
        """Begin anew in a child process: two at one connection would read each other's answers."""
        for engine in list(self._known):
            if isinstance(engine.pool, QueuePool):
                # Kept: a connection that is forgotten may be closed, and it is the parent's.
                self._parents.append(engine.pool)
                engine.dispose(close=False)

    def run(self, work: Callable[[Connection, Tables], T]) -> T:
        """Do something in a transaction.

        A connection that was lost since it was last used is made anew, once.

        :raises DirectoryError: where the database does not answer in time, or refuses.
        """
        try:
            engine: Engine = self._source.engine
        except KeyError as error:
            raise ConfigurationError(
                "SQLAlchemyDirectory's db has no engine but those of its bind keys: give it the one"
                " with the tables, db.engines[…], in an application's context"
            ) from error
        known = self._known.get(engine)
        if known is None:
            known = Known(self._names, getattr(self._source, "metadata", None))
            self._known[engine] = known
        until = time.monotonic() + ALL
        while True:
            try:
                with bounded(engine) as connection:
                    return work(connection, Tables(known, connection))
            except SQLAlchemyError as error:
                lost = isinstance(error, DBAPIError) and error.connection_invalidated
                if not lost:
                    # A table may have changed. One that was slow to look at is known next time.
                    known.forget()
                if lost and time.monotonic() < until:
                    until = 0.0
                    continue
                raise DirectoryError(brief(error)) from error


def brief(error: SQLAlchemyError) -> str:
    """Return an error's first line as the driver has it: what follows may show a whole row."""
    cause = getattr(error, "orig", None) or error
    lines = str(cause).splitlines() or [""]
    return f"{type(cause).__name__}: {lines[0]}"


@contextmanager
def bounded(engine: Engine) -> Iterator[Connection]:
    """Open a connection and a transaction that end within a bounded time, and commit it."""
    if not event.contains(engine, "do_connect", _connect_in_time):
        event.listen(engine, "do_connect", _connect_in_time)
    token = _asking.set(True)
    try:
        connection = engine.connect()
    finally:
        _asking.reset(token)
    limits = _LIMITS.get(engine.dialect.name, _none)
    with connection, _cut_after(ALL, connection), limits(connection):
        yield connection
        connection.commit()


def _connect_in_time(dialect: Any, record: object, args: object, options: dict[str, Any]) -> None:
    """Bound the connections that are made here; the application's own are its own affair."""
    if isinstance(options.get("connect_timeout"), _Seconds):
        del options["connect_timeout"]
    if _asking.get() and dialect.driver in TIMED:
        options.setdefault("connect_timeout", _Seconds(ALL))


@contextmanager
def _postgresql(connection: Connection) -> Iterator[None]:
    # For this transaction: the connection goes back to the application.
    wait = text("SELECT set_config('statement_timeout', :ms, true)")
    connection.execute(wait, {"ms": str(int(STATEMENT * 1000))})
    yield


@contextmanager
def _sqlite(connection: Connection) -> Iterator[None]:
    before = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(STATEMENT * 1000)}")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {before}")


@contextmanager
def _none(connection: Connection) -> Iterator[None]:
    yield


_LIMITS = {"postgresql": _postgresql, "sqlite": _sqlite}


@contextmanager
def _cut_after(seconds: float, connection: Connection) -> Iterator[None]:
    """Shut the connection's socket, where it has one, if it is still used after some seconds.

    A server that is paused, or a network that swallows what is sent, keeps to no time-out.
    """
    number = getattr(connection.connection.dbapi_connection, "fileno", None)
    if number is None:
        yield
        return
    # A number of our own for it: the driver's may be another file's by the time it is shut.
    with socket.socket(fileno=os.dup(number())) as own, within(seconds, partial(_shut, own)):
        yield


def _shut(connected: socket.socket) -> None:
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _after_fork() -> None:
    for made in list(_made):
        made.renew()


os.register_at_fork(after_in_child=_after_fork)
