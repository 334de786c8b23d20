"""The tests' site with routes for all that an application may call, and its signals in a file."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Flask, Response, request, session

from flask_streamend import Event, Preferences, StreamEnd, signals
from flask_streamend.state import state_of

from . import site

#: Each signal of the contract, by the name of its attribute.
SIGNALS = (
    *("viewer_joined", "viewer_left", "event_started", "event_ending", "event_resumed"),
    *("event_ended", "notification_sent", "notification_failed"),
)


def create_app() -> Flask:
    """Make the site, with its delays in its events' ids: ``…~own-2``, ``…~host-3``."""
    app = site.create_app()
    streamend = state_of(app).extension
    streamend.event_loader(load_event)
    if app.config.get("SITE_VIEWERS"):
        streamend.viewer_loader(load_viewer)
    if "SIGNALS" in os.environ:
        write_signals(app, Path(os.environ["SIGNALS"]))
    add_routes(app, streamend)
    return app


def load_event(event_id: str) -> Event | None:
    """Return an event for every id but those named ``unknown-…``."""
    if event_id.startswith("unknown-"):
        return None
    own, host = (re.search(rf"~{who}-(\d+)", event_id) for who in ("own", "host"))
    return Event(
        event_id,
        f"The {event_id}",
        "h1",
        "host@example.org",
        delay=float(own[1]) if own else None,
        preferences=Preferences(delay=float(host[1])) if host else None,
    )


def load_viewer(event_id: str) -> str | None:
    """Return who is signed in."""
    if event_id.startswith("raise-"):
        raise LookupError("the sessions are away")
    return session.get("viewer")


def write_signals(app: Flask, file: Path) -> None:
    """Write each signal as a line; for ``raise-…`` raise, for ``slow-…`` wait for ``file.go``."""

    def connect(name: str) -> None:
        def receive(sender: object, **what: Any) -> None:
            if what["event_id"].startswith("raise-"):
                raise RuntimeError("a receiver's mistake")
            while what["event_id"].startswith("slow-") and not file.with_suffix(".go").exists():
                threading.Event().wait(0.02)
            line = {"signal": name, "app": sender is app, "pid": os.getpid(), "what": what}
            with file.open("a") as out:
                out.write(json.dumps(line) + "\n")

        getattr(signals, name).connect(receive, sender=app, weak=False)

    for name in SIGNALS:
        connect(name)


def add_routes(app: Flask, streamend: StreamEnd) -> None:
    """Add a route for each method; all of them take GET, as a test's browser does."""

    def stream(event_id: str) -> Response:
        def body() -> Iterator[str]:
            with streamend.viewing(event_id, "somebody"):
                while True:
                    yield ": still there\n\n"
                    threading.Event().wait(0.05)

        return Response(body(), mimetype="text/event-stream")

    def act(method: str, event_id: str, viewer_id: str) -> str:
        ttl = {"ttl": request.args.get("ttl", type=float)} if "ttl" in request.args else {}
        getattr(streamend, method)(event_id, viewer_id, **ttl)
        return "done"

    def schedule(event_id: str) -> dict[str, Any]:
        delay = request.args.get("delay", type=float)
        return streamend.schedule_end(event_id, delay).to_dict()

    def schedule_many(prefix: str) -> str:
        """Schedule ``count`` ends from one second on, spread over ``over`` seconds."""
        many, over = (
            request.args.get("count", 1, type=int),
            request.args.get("over", 1.0, type=float),
        )
        for number in range(many):
            streamend.schedule_end(f"{prefix}{number}", 1 + number * over / many)
        return "done"

    def over(method: str, event_id: str) -> str:
        return str(getattr(streamend, method)(event_id))

    def counts(event_id: str) -> dict[str, Any]:
        return {
            "event": streamend.event_clients(event_id),
            "total": streamend.total_clients(),
            "state": streamend.event_status(event_id).state,
        }

    def login(name: str) -> str:
        session["viewer"] = name
        return "welcome"

    def token(event_id: str) -> str:
        return streamend.join_token(event_id, "ann", request.args.get("expires", 60.0, type=float))

    app.add_url_rule("/stream/<event_id>", "stream", stream)
    app.add_url_rule("/guest/<method>/<event_id>/<viewer_id>", "guest", act)
    app.add_url_rule("/schedule/<event_id>", "schedule", schedule)
    app.add_url_rule("/schedule-many/<prefix>", "schedule_many", schedule_many)
    app.add_url_rule("/over/<method>/<event_id>", "over", over)
    app.add_url_rule("/counts/<event_id>", "counts", counts)
    app.add_url_rule("/login/<name>", "login", login)
    app.add_url_rule("/token/<event_id>", "token", token)
