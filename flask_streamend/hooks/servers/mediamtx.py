"""MediaMTX: commands such as ``runOnRead`` that call by curl, url-encoded.

What its commands are answered is lost on it, so that they refuse nobody: its authentication does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from flask import Request, Response

from ..call import Act, Call, HookError, Page, Server, Sight

#: Each by the option its command stands in; those of older versions too.
_ACTS: dict[str, tuple[Act, ...]] = {
    "runOnRead": ("in",),
    "runOnUnread": ("out",),
    "runOnOnline": ("publish",),
    "runOnOffline": ("unpublish",),
    "runOnAvailable": ("publish",),
    "runOnUnavailable": ("unpublish",),
    "runOnReady": ("publish",),
    "runOnNotReady": ("unpublish",),
}
#: Paths asked for at a time: all, as those that come and go move the pages.
_AT_ONCE = 100_000
_PAGES = 1000


def read(request: Request) -> Call | None:
    """Read a call: ``hook``, ``path``, then ``reader_type`` and ``reader_id``, or ``source_id``."""
    told = request.values
    acts = _ACTS.get(told.get("hook", ""))
    path = told.get("path", "")
    if acts is None or not path:
        raise HookError("MediaMTX's call has no path, or no hook that is known")
    if acts[0] in ("in", "out"):
        kind, name = told.get("reader_type", ""), told.get("reader_id", "")
        if not name:
            raise HookError("MediaMTX's call has no reader_id")
        viewer = _viewer(kind, name)
    else:
        viewer = _source(path)
    return Call("mediamtx", path, viewer, acts)


def _viewer(kind: str, name: str) -> str:
    return f"reader {kind} {name}"


def _source(path: str) -> str:
    """Name a path's publisher: a path has one at a time, and not each kind has an id."""
    return f"source {path}"


def look(url: str, fetch: Callable[[str], Page]) -> Sight:
    """Ask the control API for every path, its source and its readers."""
    ids = set[str]()
    for page in range(_PAGES):
        address = f"{url}/v3/paths/list?itemsPerPage={_AT_ONCE}&page={page}"
        told = _parse(fetch(address).body)
        for path in told["items"]:
            # Older versions say ready. What is not there at all is no answer, rather than nobody.
            if path["online" if "online" in path else "ready"]:
                ids.add(_source(path["name"]))
            ids |= {_viewer(r["type"], r["id"]) for r in path["readers"] or ()}
        if page + 1 >= int(told.get("pageCount", 0)):
            break
    return Sight(frozenset(ids))


def _parse(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError as error:
        raise HookError("what MediaMTX says is no JSON") from error
    if not isinstance(told, dict) or not isinstance(told.get("items"), list):
        raise HookError("MediaMTX's API gives no paths")
    return told


SERVER = Server("mediamtx", read, accept=lambda: Response(status=204), refuse=None, look=look)
