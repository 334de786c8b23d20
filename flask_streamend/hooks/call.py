"""What a streaming server reports, and what is to be known of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from flask import Request, Response, g, has_app_context

Act = Literal["in", "out", "publish", "unpublish"]


class HookError(Exception):
    """A call, or an answer to a check, that is not of the form its server documents."""


@dataclass(frozen=True)
class Call:
    """What a streaming server reported.

    :param server: which: ``nginx-rtmp``, ``srs``, ``mediamtx``.
    :param stream: the stream's name, as that server has it; it may be a publishing key.
    :param viewer: the connection's name; a server gives it again when the connection ends.
    :param acts: what happened: ``in``, ``out``, ``publish``, ``unpublish``.
    :param app: the server's application, where it has one.
    :param vhost: its virtual host, where it has one.
    :param address: the connection's IP address, where the server tells it: of what the server
        plays itself, to transcode or to pass on, it is the server's own.
    :param args: what the player put into the stream's address after ``?``.
    :param life: what may be read in the store of the server's own life: see :class:`Sight`.
    """

    server: str
    stream: str
    viewer: str
    acts: tuple[Act, ...]
    app: str = ""
    vhost: str = ""
    address: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    life: str = ""


def current_call() -> Call | None:
    """Return what a streaming server reports in this request; None where it is another request.

    For a viewer loader: a socket's viewer has a session, a streaming server's has what is in this.
    """
    call: Call | None = g.get("streamend_call") if has_app_context() else None
    return call


class Sight(NamedTuple):
    """What a streaming server said of who is there.

    :param ids: the connections it knows, viewers and publishers.
    :param place: which part of the server spoke: a process, or a life.
    :param whole: False: other parts of the server may know connections too.
    :param top: a number that grows with each connection, and falls only when the server is started
        anew; None: it has none.
    """

    ids: frozenset[str]
    place: str = ""
    whole: bool = True
    top: int | None = None

    def other_life(self, life: str) -> bool:
        """Return whether a connection is for certain of another life of the server than this."""
        if self.top is not None:
            return life.isdigit() and int(life) > self.top
        return life not in ("", self.place)

    def restarted(self, since: Sight) -> bool:
        """Return whether the server was for certain started anew since an earlier sight."""
        return self.top is not None and since.top is not None and self.top < since.top


class Page(NamedTuple):
    """What was fetched from a streaming server.

    :param headers: by their names in small letters.
    """

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Server:
    """One kind of streaming server.

    :param name: its name in the route, and in STREAMEND_HOOK_CHECKS.
    :param read: reads a call; None: it says nothing of who is there. Raises :class:`HookError`.
    :param accept: answers a call.
    :param refuse: answers a play that is refused; None: the server would not listen.
    :param look: asks the server at an address who is there, with a function that fetches a page.
        Raises :class:`HookError`.
    """

    name: str
    read: Callable[[Request], Call | None]
    accept: Callable[[], Response]
    refuse: Callable[[str], Response] | None
    look: Callable[[str, Callable[[str], Page]], Sight]
