"""What reaches Redis, by ``MONITOR``: what is sent there, and what scripts run."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from redis import Redis

#: What opens a connection, by its first word: it is not what an act costs.
_OPENING = frozenset({"HELLO", "AUTH", "SELECT", "CLIENT"})


@dataclass
class Commands:
    """Commands by name, in the order Redis ran them.

    :ivar sent: those that clients sent; of a pipeline each.
    :ivar ran: those, and the ones that scripts ran.
    :ivar texts: those that clients sent, in full.
    """

    sent: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def count(self) -> tuple[int, int]:
        """Return how many were sent, and how many ran."""
        return len(self.sent), len(self.ran)


@contextmanager
def commands(redis: Redis) -> Iterator[Commands]:
    """Record what is done to a client's database meanwhile, by whomever; filled at the end."""
    found = Commands()
    number = str(redis.connection_pool.connection_kwargs.get("db", 0))
    over = secrets.token_hex(8)
    redis.ping()  # its own connection is open
    with redis.monitor() as monitor:
        yield found
        redis.echo(over)
        while (line := monitor.next_command())["command"] != f"ECHO {over}":
            name = line["command"].partition(" ")[0].upper()
            if str(line["db"]) == number and name not in _OPENING:
                found.ran.append(name)
                if line["client_type"] != "lua":
                    found.sent.append(name)
                    found.texts.append(line["command"])
