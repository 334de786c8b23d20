"""The tests' site with all routes, where streaming servers are asked more often who is there."""

from __future__ import annotations

from flask import Flask

from flask_streamend.hooks import checks

from . import watching


def create_app() -> Flask:
    """Make the site."""
    checks.EVERY = 0.3
    checks.TURN_MS = 1000
    return watching.create_app()
