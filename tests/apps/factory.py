"""A module as a user writes it: the extension beside a factory."""

from __future__ import annotations

from typing import Any

from flask import Flask

from flask_streamend import StreamEnd

streamend = StreamEnd()


def create_app(**config: Any) -> Flask:
    """Make an application with these settings."""
    app = Flask(__name__)
    app.config.update(SECRET_KEY="tests", STREAMEND_REDIS_URL="redis://127.0.0.1:1", **config)
    app.register_extension(streamend)  # type: ignore[attr-defined]
    return app
