"""nginx with its rtmp module: ``on_play`` and the others, url-encoded.

It wants 2xx, and lets nobody play to whom anything else is answered. A player's own arguments come
last in the body, as they are, so that the first value of a name is nginx's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from xml.etree import ElementTree

from flask import Request, Response

from ..call import Act, Call, HookError, Page, Server, Sight

#: ``on_done`` comes besides the others, for players and publishers; ``on_connect`` knows no stream.
_ACTS: dict[str, tuple[Act, ...]] = {
    "play": ("in",),
    "play_done": ("out",),
    "publish": ("publish",),
    "publish_done": ("unpublish",),
    "done": ("out", "unpublish"),
}

#: A connection's number, as nginx counts them.
_NUMBER = re.compile(r"[0-9]{1,20}", re.ASCII)


def read(request: Request) -> Call | None:
    """Read a call of nginx's."""
    form = request.form
    acts = _ACTS.get(form.get("call", ""))
    if acts is None:
        return None
    number, address = form.get("clientid", ""), form.get("addr", "")
    if not _NUMBER.fullmatch(number):
        raise HookError("nginx-rtmp's call has no clientid")
    if acts == ("in",) and _passes_on(form.get("flashver", ""), address):
        return None
    return Call(
        *("nginx-rtmp", form.get("name", ""), _viewer(number, address), acts),
        app=form.get("app", ""),
        address=address,
        args=form.to_dict(),
        life=number,
    )


def _passes_on(agent: str, address: str) -> bool:
    """Return whether nginx plays by itself, to send a stream on: by push, or between its processes.

    Anybody may call himself so; but a player's address is its socket's, this one's is its target.
    """
    if agent != "ngx-local-relay" or address == "unix:":
        return False
    try:
        ip_address(address)
    except ValueError:
        return True
    return False


def _viewer(number: str, address: str) -> str:
    """Name a connection: numbers begin anew with nginx."""
    return f"{number} {address}"


def look(url: str, fetch: Callable[[str], Page]) -> Sight:
    """Read the statistics page: the connections of the worker process that answered.

    The header with ``$connection`` tells the two ways apart in which its viewers may not be on it:
    an older worker still has them after a reload, or nginx was started anew and nobody has them.
    How many requests that connection had may follow: one that is kept open tells nothing.
    """
    body, headers = fetch(url)
    top, _, requests = headers.get("streamend-connection", "").partition(" ")
    if not _NUMBER.fullmatch(top):
        raise HookError("the page lacks the header Streamend-Connection: see the documentation")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise HookError("the page defines entities, which nginx's does not")
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - no entities, and of a bounded size
    except ElementTree.ParseError as error:
        raise HookError(f"the page is no XML: {error}") from error
    place = root.findtext("pid")
    if root.tag != "rtmp" or place is None:
        raise HookError("the page is not rtmp_stat's")
    clients = [(one.findtext("id", ""), one.findtext("address", "")) for one in root.iter("client")]
    newer = any(not _NUMBER.fullmatch(number) or int(number) > int(top) for number, _ in clients)
    if newer or requests not in ("", "1"):
        # By a connection that something between kept open, none could be told from a former life's.
        raise HookError("the page came by a connection that was kept open: ask nginx itself")
    ids = frozenset(_viewer(number, address) for number, address in clients)
    return Sight(ids, place, whole=False, top=int(top))


SERVER = Server(
    "nginx-rtmp",
    read,
    accept=lambda: Response(status=204),
    refuse=lambda why: Response(why, 403, mimetype="text/plain"),
    look=look,
)
