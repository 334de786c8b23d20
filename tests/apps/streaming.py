"""The tests' site with all routes, where streaming servers are asked more often who is there."""

from __future__ import annotations

from flask import Flask

from flask_streamend.hooks import checks
from flask_streamend.state import state_of

from . import watching
from .pages import ROOT, marked


def create_app() -> Flask:
    """Make the site, with the route that the documentation shows for players over HLS."""
    checks.EVERY = 0.3
    checks.TURN_MS = 1000
    app = watching.create_app()
    shown = marked(ROOT / "docs" / "streaming-servers.md", "file", "hls.py")
    exec(
        compile(shown.body, str(shown), "exec"), {"app": app, "streamend": state_of(app).extension}
    )
    return app
