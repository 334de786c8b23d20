"""SRS: ``http_hooks`` that post JSON.

It wants status 200 and a body of 0, or with the code 0; whom anything else is answered, it
disconnects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from flask import Request, Response, jsonify

from ..call import Act, Call, HookError, Page, Server, Sight

_ACTS: dict[str, tuple[Act, ...]] = {
    "on_play": ("in",),
    "on_stop": ("out",),
    "on_publish": ("publish",),
    "on_unpublish": ("unpublish",),
}
#: Clients asked for at a time; SRS alone gives ten.
_AT_ONCE = 1000
#: Clients asked for twice: those who come and go meanwhile move the pages.
_AGAIN = 50
#: Pages at the most.
_PAGES = 1000


def read(request: Request) -> Call | None:
    """Read a call of SRS's."""
    # Its content type is not JSON's.
    told = _parse(request.get_data())
    acts = _ACTS.get(str(told.get("action")))
    if acts is None:
        return None
    client, stream = told.get("client_id"), told.get("stream")
    if client in (None, "") or not isinstance(stream, str):
        raise HookError("SRS's call has no client_id, or no stream")
    life = _life(told, "_id")
    return Call(
        *("srs", stream, f"{life} {client}", acts),
        app=str(told.get("app") or ""),
        vhost=str(told.get("vhost") or ""),
        address=str(told.get("ip") or ""),
        args=dict(reversed(parse_qsl(str(told.get("param") or "").lstrip("?")))),
        life=life if re.fullmatch(r"[\w.-]{1,64}", life, re.ASCII) else "",
    )


def _life(told: dict[str, Any], end: str) -> str:
    """Return what names a life of SRS. The server's id outlives it, kept in a file or configured.

    Before version 5 there was no other.
    """
    return str(told.get(f"service{end}") or told.get(f"server{end}") or "")


def look(url: str, fetch: Callable[[str], Page]) -> Sight:
    """Ask the HTTP API for all clients, in the order of their ids."""
    ids, places = set[str](), set[str]()
    for page in range(_PAGES):
        start = page * (_AT_ONCE - _AGAIN)
        address = f"{url}/api/v1/clients?start={start}&count={_AT_ONCE}"
        told = _parse(fetch(address).body)
        clients = told.get("clients")
        if told.get("code") != 0 or not isinstance(clients, list):
            raise HookError("SRS's API gives no clients")
        place = _life(told, "")
        places.add(place)
        here = {f"{place} {client['id']}" for client in clients if isinstance(client, dict)}
        if page and not ids & here:
            raise HookError("SRS's clients came and went too fast to be read page by page")
        ids |= here
        if len(clients) < _AT_ONCE:
            break
    if len(places) != 1:
        raise HookError("SRS was started anew between two pages")
    return Sight(frozenset(ids), places.pop())


def _parse(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError as error:
        raise HookError("what SRS says is no JSON") from error
    if not isinstance(told, dict):
        raise HookError("what SRS says is no JSON object")
    return told


def _answer(status: int, code: int, message: str) -> Response:
    response = jsonify({"code": code, "msg": message})
    response.status_code = status
    return response


SERVER = Server(
    "srs",
    read,
    accept=lambda: _answer(200, 0, "OK"),
    refuse=lambda why: _answer(403, 403, why),
    look=look,
)
