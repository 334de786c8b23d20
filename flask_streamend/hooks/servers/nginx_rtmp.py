"""nginx with its rtmp module: ``on_play`` and the others, url-encoded.

It wants 2xx, and lets nobody play to whom anything else is answered. A player's own arguments come
last in the body, as they are, so that the first value of a name is nginx's.
"""

from __future__ import annotations

from collections.abc import Callable
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


def read(request: Request) -> Call | None:
    """Read a call of nginx's."""
    form = request.form
    acts = _ACTS.get(form.get("call", ""))
    if acts is None:
        return None
    number = form.get("clientid", "")
    if not number.isdigit():
        raise HookError("nginx-rtmp's call has no clientid")
    return Call(
        *("nginx-rtmp", form.get("name", ""), _viewer(number, form.get("addr", "")), acts),
        app=form.get("app", ""),
        args=form.to_dict(),
        life=number,
    )


def _viewer(number: str, address: str) -> str:
    """Name a connection: numbers begin anew with nginx."""
    return f"{number} {address}"


def look(url: str, fetch: Callable[[str], Page]) -> Sight:
    """Read the statistics page: the connections of the worker process that answered.

    The header with ``$connection`` tells the two ways apart in which its viewers may not be on it:
    an older worker still has them after a reload, or nginx was started anew and nobody has them.
    """
    body, headers = fetch(url)
    top = headers.get("streamend-connection", "")
    if not top.isdigit():
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
    ids = frozenset(
        _viewer(client.findtext("id", ""), client.findtext("address", ""))
        for client in root.iter("client")
    )
    return Sight(ids, place, whole=False, top=int(top))


SERVER = Server(
    "nginx-rtmp",
    read,
    accept=lambda: Response(status=204),
    refuse=lambda why: Response(why, 403, mimetype="text/plain"),
    look=look,
)
