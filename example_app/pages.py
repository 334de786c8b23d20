"""Show the site: the events, the watch page, the host's page."""

from __future__ import annotations

import secrets
import sqlite3
import time
from typing import Any

from flask import Blueprint, Response, abort, current_app, render_template, request
from flask import session as browser
from flask.typing import ResponseReturnValue

from example_app import db, hls, load_viewer, notices, streamend
from example_app.music import scene_for

blueprint = Blueprint("pages", __name__)

POLICY = (
    "default-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'self';"
    " media-src 'self' blob:"  # hls.js puts a broadcast together in the page
)
EVENTS = (
    "SELECT events.id, events.name, events.host_id, users.name AS host"
    " FROM events JOIN users ON users.id = events.host_id"
)


@blueprint.before_app_request
def give_visitors_a_name() -> None:
    """Remember a visitor, so that two tabs of one browser are one person to the viewer loader."""
    if request.endpoint in {"pages.index", "pages.watch"} and "visitor" not in browser:
        browser["visitor"] = f"visitor-{secrets.token_hex(4)}"


@blueprint.after_app_request
def keep_to_ourselves(response: Response) -> Response:
    """Forbid what no page of ours needs: foreign scripts, inline ones, being framed."""
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response


@blueprint.get("/")
def index() -> str:
    """List the events and what each is doing."""
    events = db.rows(f"{EVENTS} ORDER BY events.rowid")
    return render_template(
        "index.html",
        events=[(event, status(event["id"]), scene_for(event["id"])) for event in events],
    )


@blueprint.get("/watch/<event_id>")
def watch(event_id: str) -> str:
    """Show the stream. The page's streamend.js opens the socket that makes its reader a viewer."""
    event = event_or_404(event_id)
    return render_template(
        "watch.html",
        event=event,
        status=status(event_id),
        scene=scene_for(event_id),
        delay=current_app.config["STREAMEND_DELAY"],
    )


@blueprint.get("/events/<event_id>")
def host(event_id: str) -> str:
    """Show the host how the event is doing; the button in the mail leads here."""
    event = event_or_404(event_id)
    return render_template(
        "host.html",
        event=event,
        status=status(event_id),
        notices=notices.past(event_id),
        attempts=notices.attempts(event_id),
        delay=current_app.config["STREAMEND_DELAY"],
    )


@blueprint.get("/api/events")
def api_events() -> ResponseReturnValue:
    """Tell the pages how all events are doing."""
    return {"events": [status(event["id"]) for event in db.rows("SELECT id FROM events")]}


@blueprint.get("/api/events/<event_id>")
def api_event(event_id: str) -> ResponseReturnValue:
    """Tell the pages how one event is doing."""
    event_or_404(event_id)
    return {**status(event_id), "attempts": notices.attempts(event_id)}


@blueprint.get("/api/events/<event_id>/ticket")
def ticket(event_id: str) -> ResponseReturnValue:
    """Give a player that has no cookie of ours, as a television's, an address to watch at."""
    event_or_404(event_id)
    viewer = load_viewer(event_id) or abort(403)
    # Whoever has it is this viewer, to this event, for as long as it is good: a minute to connect.
    return {"socket": f"/ws/{event_id}?token={streamend.join_token(event_id, viewer, expires=60)}"}


def status(event_id: str) -> dict[str, Any]:
    """Ask the extension how the event is doing, and add the time that is left while it ends."""
    now = streamend.event_status(event_id)
    due_in = None if now.due_at is None else max(0.0, now.due_at - time.time())
    on_air = None if now.started_at is None else max(0.0, time.time() - now.started_at)
    return {
        "id": event_id,
        "state": now.state,
        "clients": now.clients,
        "peak": now.peak,
        "due_at": now.due_at,
        "due_in": due_in,
        "on_air": on_air,
        "hls": hls.address(event_id),
    }


def event_or_404(event_id: str) -> sqlite3.Row:
    """Find the event with its host's name, or answer 404."""
    event = db.row(f"{EVENTS} WHERE events.id = ?", event_id)
    if event is None:
        abort(404)
    return event


@blueprint.app_errorhandler(404)
def not_found(error: Exception) -> ResponseReturnValue:
    """Answer what is not there in the site's own clothes, or in JSON where JSON was asked for."""
    if request.path.startswith(("/api/", "/stream/")):
        return {"error": "not-found", "message": "There is no such thing here."}, 404
    return render_template("missing.html"), 404
