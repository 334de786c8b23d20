"""The site whose pages the browser opens: streamend.js under a policy without inline script."""

from __future__ import annotations

import json
import logging
import os

from flask import Flask, Response, render_template, request

from flask_streamend import Event, StreamEnd

#: What a site writes that lets no inline script run and nothing come from elsewhere.
POLICY = "default-src 'self'"

logging.basicConfig(level=logging.INFO, format="%(process)d %(levelname)s %(name)s %(message)s")
log = logging.getLogger("browser")
streamend = StreamEnd()


@streamend.event_loader
def load_event(event_id: str) -> Event | None:
    """Know every event but those named ``unknown-…``."""
    if event_id.startswith("unknown-"):
        return None
    return Event(event_id, event_id, "h1", "host@example.org")


@streamend.viewer_loader
def load_viewer(event_id: str) -> str | None:
    """Let everybody in, but to no event named ``members-…``: a token is needed there."""
    return None if event_id.startswith("members-") else "somebody"


def create_app() -> Flask:
    """Make the application."""
    app = Flask(__name__)
    app.config.update(SECRET_KEY="tests", MAIL_DEFAULT_SENDER="live@example.org")
    app.config.update(json.loads(os.environ["SITE_CONFIG"]))
    app.register_extension(streamend)  # type: ignore[attr-defined]

    @app.before_request
    def note_handshakes() -> None:
        # Before the extension decides: one that is refused is noted too.
        if request.headers.get("Upgrade", "").lower() == "websocket":
            log.info("handshake %s", request.path)

    @app.after_request
    def be_strict(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response

    @app.get("/page/<event_id>")
    def page(event_id: str) -> str:
        token = streamend.join_token(event_id, "member-1") if "member" in request.args else None
        return render_template("page.html", event=event_id, token=token)

    @app.get("/elsewhere")
    def elsewhere() -> str:
        return render_template("page.html", event=None, token=None)

    @app.post("/end/<event_id>")
    def end(event_id: str) -> tuple[str, int]:
        streamend.end_event(event_id)
        return "", 204

    return app
