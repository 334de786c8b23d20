"""Redis connections and the Lua scripts on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any

from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.exceptions import ConnectionError, RedisError
from redis.retry import Retry

from ..errors import StoreError
from .histograms import HISTOGRAMS

#: Seconds to wait for Redis, on a thread that can wait.
TIMEOUT = 2.0
#: Seconds to wait for Redis while somebody waits for a page that must answer within a second.
GLANCE_TIMEOUT = 0.4
#: A blocking pool: redis-py's plain one raises when it has none left, and the leave is lost.
CONNECTIONS = 10


def connect(url: str, timeout: float = TIMEOUT, connections: int = CONNECTIONS) -> Redis:
    """Return a client for a Redis address; nothing is opened before its first command.

    :param timeout: seconds to wait for a connection, for a reply, and for a free place in the pool.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=timeout,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        # Once, at once: a pooled connection that Redis closed meanwhile. Every script bears it.
        # Not after a time-out: who waits has waited long enough.
        retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
    )
    return Redis(connection_pool=pool)


@contextmanager
def answering() -> Iterator[None]:
    """Turn the driver's errors into this package's."""
    try:
        yield
    except (RedisError, OSError) as error:
        refused = isinstance(error.__context__, ConnectionRefusedError)
        raise StoreError(f"Redis: {type(error).__name__}: {error}", refused) from error


def text(value: Any) -> str:
    """Return a reply's bytes as text."""
    return value.decode() if isinstance(value, bytes) else str(value)


@cache
def source(name: str) -> str:
    """Return a script's text, with the parts it includes put in place of their lines."""
    folder = files(__package__) / "lua"

    def part(match: re.Match[str]) -> str:
        if match[1] == "bounds":
            return _bounds()
        return (folder / f"lib_{match[1]}.lua").read_text(encoding="utf-8")

    body = (folder / f"{name}.lua").read_text(encoding="utf-8")
    return re.sub(r"^--- include (\w+)$", part, body, flags=re.MULTILINE)


def _bounds() -> str:
    """Return the histograms' bounds as a Lua table."""
    rows = (f"{name} = {{{', '.join(map(str, b))}}}" for name, b in HISTOGRAMS.items())
    return f"local bounds = {{{', '.join(rows)}}}\n"


class Scripts:
    """Runs scripts by name; one that Redis forgot is loaded again by the driver."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._scripts: dict[str, Script] = {}

    def run(self, name: str, keys: list[str], *args: Any) -> Any:
        """Run a script and return its raw reply.

        :raises StoreError: where Redis does not answer, or refuses.
        """
        script = self._scripts.get(name)
        if script is None:
            script = self._scripts[name] = self._redis.register_script(source(name))
        with answering():
            return script(keys=keys, args=list(args))
