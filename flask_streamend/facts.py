"""What a process says of itself, so that ``flask streamend doctor`` can tell it from a shell.

Nothing in it may be secret: addresses, links and keys are there as fingerprints only.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from flask import Flask

from ._version import __version__

if TYPE_CHECKING:
    from redis import Redis

    from .capacity import Capacity
    from .state import AppState

#: The packages whose versions are told.
PACKAGES = (
    *("flask", "werkzeug", "rq", "redis", "flask-mail", "flask-sock"),
    *("simple-websocket", "gunicorn", "gevent"),
)
#: The settings of which Flask-Mail's way to its server is made.
MAIL = ("MAIL_SERVER", "MAIL_PORT", "MAIL_USE_TLS", "MAIL_USE_SSL", "MAIL_USERNAME")
#: A worker's name begins so among those who told something; a web process's is hexadecimal.
WORKER = "worker:"


@dataclass(frozen=True)
class Facts:
    """One process, as it sees itself.

    :param server: what runs it, as a person knows it.
    :param host: its host's short name.
    :param since: when it said so first, in seconds since the epoch, on its own clock.
    :param store: fingerprint of the Redis its application has its store in.
    :param listens: of a worker: fingerprint of the Redis it takes jobs from.
    :param keys: fingerprints of its sealing keys, newest first.
    :param frontend: fingerprint of its FRONTEND_URL.
    :param suppressed: whether its Flask-Mail sends nothing.
    :param mail: fingerprint of how it reaches its mail server; its password has no part in it.
    :param queues: of a worker: the queues it reads.
    :param trouble: the problem code of its server, if any.
    :param room: of a web process: viewers it has room for.
    :param limit: viewers and requests at once by ``setting``; None: not limited.
    :param files: open files it may have.
    """

    server: str
    host: str
    pid: int
    since: float
    store: str
    keys: tuple[str, ...]
    frontend: str
    suppressed: bool
    mail: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    listens: str = ""
    queues: tuple[str, ...] = ()
    trouble: str = ""
    room: int = 0
    limit: int | None = None
    setting: str = ""
    files: int = 0

    @property
    def where(self) -> str:
        """Return the process as a person finds it."""
        return f"{self.host}:{self.pid}"

    def pack(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self))

    @classmethod
    def unpack(cls, packed: str) -> Facts | None:
        """Return it from text; None where another version of this package wrote it otherwise."""
        try:
            said: dict[str, Any] = json.loads(packed)
            there = [f for f in fields(cls) if f.name in said]
            if not all(_fits(f.type, said[f.name]) for f in there):
                return None
            row = {f.name: said[f.name] for f in there}
            return cls(**row | {"keys": tuple(row["keys"]), "queues": tuple(row["queues"])})
        except (ValueError, TypeError, KeyError, RecursionError):
            return None


def _fits(kind: object, value: Any) -> bool:
    """Return whether a value out of JSON is of a field's type."""
    if kind == "tuple[str, ...]":
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if kind == "Mapping[str, str]":
        return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
    kinds: dict[object, tuple[type, ...]] = {
        "str": (str,),
        "bool": (bool,),
        "int": (int,),
        "int | None": (int, type(None)),
        "float": (int, float),
    }
    return isinstance(value, kinds[kind])


def of_web(app: Flask, state: AppState, capacity: Capacity) -> Facts:
    """Return what a web process says of itself."""
    here = server_of(state.redis)
    return Facts(
        **_of(app, state, capacity.server),
        store=here,
        listens=here,
        trouble=capacity.problem or "",
        room=capacity.room,
        limit=capacity.limit,
        setting=capacity.setting,
        files=capacity.files,
    )


def of_worker(
    app: Flask, state: AppState, server: str, queues: tuple[str, ...], connection: Redis
) -> Facts:
    """Return what a worker says of itself.

    :param connection: over which it takes jobs.
    """
    return Facts(
        **_of(app, state, server),
        store=server_of(state.redis),
        listens=server_of(connection),
        queues=queues,
    )


def of_shell(app: Flask, state: AppState) -> Facts:
    """Return the same of a command: what others are compared with."""
    here = server_of(state.redis)
    return Facts(**_of(app, state, "a shell"), store=here, listens=here)


def _of(app: Flask, state: AppState, server: str) -> dict[str, Any]:
    return {
        "server": server,
        "host": socket.gethostname().partition(".")[0],
        "pid": os.getpid(),
        "since": time.time(),
        "keys": state.sealer.fingerprints,
        "frontend": digest(state.settings.frontend_url),
        "suppressed": suppressed(app),
        "mail": digest("\n".join(str(app.config.get(name)) for name in MAIL)),
        "versions": versions(),
    }


def suppressed(app: Flask) -> bool:
    """Return whether an application's Flask-Mail sends nothing."""
    mail = app.extensions.get("mail")
    if mail is not None:
        return bool(mail.suppress)
    return bool(app.config.get("MAIL_SUPPRESS_SEND", app.testing))


def server_of(redis: Redis | None) -> str:
    """Return a fingerprint of the very server and database a client reaches, by whatever address.

    Empty where there is none, or where it can't be told.
    """
    if redis is None:
        return ""
    with suppress(Exception):  # it is away, or tells nobody: then nothing is compared
        run: Any = redis.info("server")
        database = redis.connection_pool.connection_kwargs.get("db") or 0
        return digest(f"{run['run_id']}/{database}")
    return ""


def digest(text: str) -> str:
    """Return a short fingerprint of a text."""
    return hashlib.sha256(f"flask_streamend {text}".encode()).hexdigest()[:16]


@cache
def versions() -> Mapping[str, str]:
    """Return the versions of what matters here, by name; what is not installed is not there."""
    found = {"python": platform.python_version(), "flask-streamend": __version__}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
