"""The site the tests start: one application, its settings from the environment as JSON."""

from __future__ import annotations

import json
import logging
import os

from flask import Flask

from flask_streamend import Event, StreamEnd

logging.basicConfig(
    level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(name)s %(message)s"
)


def create_app() -> Flask:
    """Make an application that knows every event but those named ``unknown-…``."""
    config = json.loads(os.environ["SITE_CONFIG"])
    app = Flask(__name__)
    app.config.update(SECRET_KEY="tests", MAIL_DEFAULT_SENDER="live@example.org")
    app.config.update(config)
    streamend = StreamEnd()
    app.register_extension(streamend)  # type: ignore[attr-defined]

    if os.environ.get("SITE_LOADER", "yes") == "yes":

        @streamend.event_loader
        def load_event(event_id: str) -> Event | None:
            if event_id.startswith("unknown-"):
                return None
            return Event(event_id, f"The {event_id}", "h1", "host@example.org")

    return app
