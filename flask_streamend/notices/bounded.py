"""Time-outs for what has none of its own: a library's calls, a connection that is dripped to."""

from __future__ import annotations

import os
import socket
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Protocol, TypeVar

from ..aside import Aside
from ..deadlines import within

T = TypeVar("T")


class Connected(Protocol):
    """What has a socket, or none."""

    sock: Any


def _cut(connection: Connected) -> None:
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


@contextmanager
def cut_after(seconds: float, connection: Connected) -> Iterator[None]:
    """Shut a connection's socket after a time: each read may be in time, and yet never end."""
    with within(seconds, partial(_cut, connection)):
        yield


_made: weakref.WeakSet[Bounded] = weakref.WeakSet()


class Bounded:
    """Calls that are waited for no longer than a bounded time.

    One that is over time goes on by itself, and is counted until it ends. So whoever may hang gets
    one of its own, and keeps nobody else waiting.

    :param most: calls under way at once, those included that nobody waits for any more.
    """

    def __init__(self, most: int) -> None:
        self._aside = Aside(most)
        _made.add(self)

    def renew(self) -> None:
        """Begin anew in a child process."""
        self._aside.renew()

    def call(self, function: Callable[[], T], seconds: float, what: str) -> T:
        """Return what a call returns; raise what it raises.

        :param what: what it does, for the error's text.
        :raises TimeoutError: where it takes longer, or too many earlier ones still do.
        """
        call = self._aside.call(function)
        if call is None:
            raise TimeoutError(f"{what} has to wait: earlier calls are not over yet")
        if not call.wait(seconds):
            raise TimeoutError(f"{what} took longer than {seconds:.3g} s")
        if call.error is not None:
            raise call.error
        return call.answer  # type: ignore[return-value]


class Lookups:
    """Looks names up, waited for no longer than a bounded time: the system's has no time-out.

    :param most: look-ups under way at once.
    """

    def __init__(self, most: int) -> None:
        self._calls = Bounded(most)

    def addresses(self, host: str, port: int, seconds: float) -> list[str]:
        """Return a name's addresses, each once, best first; of an address, itself.

        :raises TimeoutError: where there is no answer in time.
        :raises OSError: where there is no such name.
        """

        def look_up() -> list[str]:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return list(dict.fromkeys(str(info[4][0]) for info in found))

        return self._calls.call(look_up, seconds, f"looking up {host}")


def _after_fork() -> None:
    for made in list(_made):
        made.renew()


os.register_at_fork(after_in_child=_after_fork)
