"""Hand out what nginx-rtmp records as files, for players over HLS, and note who is watching.

Such a player opens nothing that lasts: it asks for the playlist every second or so, and for the
files in it. So each playlist is a sign of life. The watch page's own player says ``?socket``: that
page has its socket open, and is counted by it.

A site with many viewers lets nginx hand out the files: docs/streaming-servers.md.
"""

from __future__ import annotations

import time
from pathlib import Path

from flask import Blueprint, Response, abort, current_app, request, send_from_directory

from example_app import db, streamend

blueprint = Blueprint("hls", __name__)

FRESH = 10.0  # s; nginx-rtmp writes a playlist anew with each file, every second here
TTL = 10.0  # s; a player that asked for nothing for so long has left


@blueprint.get("/hls/<event_id>.m3u8")
def playlist(event_id: str) -> Response:
    """Answer with what is to be played next."""
    if db.row("SELECT 1 FROM events WHERE id = ?", event_id) is None:
        abort(404)
    if "socket" not in request.args and address(event_id) is not None:
        streamend.seen(event_id, player(), ttl=TTL)
    response = send_from_directory(folder(), f"{event_id}.m3u8", mimetype="audio/mpegurl")
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/hls/<name>.ts")
def piece(name: str) -> Response:
    """Answer with a second of picture and sound."""
    return send_from_directory(folder(), f"{name}.ts", mimetype="video/mp2t", max_age=60)


def address(event_id: str) -> str | None:
    """Return where an event's broadcast is, None while there is none."""
    where = current_app.config["HLS_DIR"]
    if not where:
        return None
    try:
        written = (Path(where) / f"{event_id}.m3u8").stat().st_mtime
    except OSError:
        return None
    # One that is not written any more is of a broadcast that is over, or of an nginx that is.
    return f"/hls/{event_id}.m3u8" if time.time() - written < FRESH else None


def player() -> str:
    """Name who asks, which has no cookie: by ``?viewer=``, else by where and what it is."""
    return request.args.get("viewer") or f"{request.remote_addr} {request.user_agent}"


def folder() -> str:
    """Return where nginx-rtmp writes, or answer 404 where there is no such place."""
    where: str | None = current_app.config["HLS_DIR"]
    return where or abort(404)
