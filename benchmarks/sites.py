"""The applications that are measured; settings come from the environment as JSON."""

from __future__ import annotations

import json
import os
from typing import Any

from flask import Flask

KEY = "benchmarks"


def _settings() -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(os.environ.get("BENCH_CONFIG", "{}"))
    return settings


def floor() -> Flask:
    """Return a bare flask-sock endpoint: what a viewer costs without this package.

    It has a SECRET_KEY, as any application with sign-in: with one, Flask opens a session for each
    request, which would else be charged to this package.
    """
    from flask_sock import Sock

    app = Flask(__name__)
    app.config.update(SECRET_KEY=KEY, **_settings())
    sock = Sock(app)

    @sock.route("/ws/<path:event_id>")  # type: ignore[untyped-decorator]
    def watch(ws: Any, event_id: str) -> None:
        while True:
            ws.receive()

    return app


def extension() -> Flask:
    """Return an application with this package and a loader that costs nothing."""
    from flask_streamend import Event, StreamEnd

    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=KEY,
        MAIL_DEFAULT_SENDER="live@example.org",
        **_settings(),
    )

    def load_event(event_id: str) -> Event:
        return Event(event_id, event_id, "h1", "host@example.org")

    StreamEnd(app, event_loader=load_event)
    return app
