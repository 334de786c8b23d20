"""A PostgreSQL of the tests' own, to be paused, ended and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL

from .chaos.stage import family
from .servers import Process, eventually, free_port


def postgres_programs() -> Path | None:
    """Return the folder of the newest PostgreSQL there is: Debian keeps them off the path."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: place.parent.name)
    on_path = shutil.which("postgres")
    if not places and on_path:
        places = [Path(on_path).resolve().parent]
    return next((place for place in reversed(places) if (place / "initdb").exists()), None)


def _somebody() -> dict[str, Any]:
    """Return whom to run it as: it refuses root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return {}


class PostgresServer:
    """A server with one empty database; it listens on a loopback port.

    :param programs: what :func:`postgres_programs` found.
    """

    def __init__(self, programs: Path) -> None:
        self.port = free_port()
        self._programs = programs
        # Not among pytest's folders, which nobody but this user may enter.
        self._folder = folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._data = folder / "data"
        self._who = _somebody()
        if self._who:
            os.chown(folder, self._who["user"], self._who["group"])
        subprocess.run(
            [programs / "initdb", "-D", self._data, "-U", "tests", "-A", "trust", "-E", "UTF8"],
            check=True,
            cwd=folder,
            capture_output=True,
            timeout=120,
            **self._who,
        )
        self.process: Process | None = None

    @property
    def url(self) -> URL:
        """Return its address, as SQLAlchemy has it."""
        return URL.create("postgresql+psycopg", "tests", None, "127.0.0.1", self.port, "postgres")

    def start(self) -> None:
        """Start it, with what it had."""
        options = ["-D", str(self._data), "-p", str(self.port), "-h", "127.0.0.1"]
        quick = ["-c", "fsync=off", "-c", "max_connections=200"]
        sockets = ["-c", f"unix_socket_directories={self._folder}"]
        command = [str(self._programs / "postgres"), *options, *quick, *sockets]
        self.process = Process(command, self._folder / "postgres.log", user=self._who)
        eventually(self._answers, "PostgreSQL answers")

    def _answers(self) -> bool:
        try:
            self.run("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        """Run statements and return the last one's rows."""
        with closing(self.connect()) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def empty(self) -> None:
        """Remove every table."""
        self.run("DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    def connect(self) -> psycopg.Connection[Any]:
        """Open a connection of a test's own, each statement of which is committed."""
        where = f"host=127.0.0.1 port={self.port} user=tests dbname=postgres connect_timeout=10"
        return psycopg.connect(where, autocommit=True)

    def pause(self) -> None:
        """Have it answer nobody: neither old connections nor new ones."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on after :meth:`pause`."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it at once, as it does when it must; who is connected is thrown out."""
        if self.process is not None:
            self.resume()
            self.process.signal(signal.SIGQUIT)
            self.process.stop()
            self.process = None

    def remove(self) -> None:
        """End it for good."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        # Each of its processes is in a group of its own.
        if self.process is not None:
            for pid in family(self.process.popen.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
