"""The tests' site with a page that says how many objects the garbage collector leaves alone."""

from __future__ import annotations

import gc

from flask import Flask

from . import site


def create_app() -> Flask:
    """Make the site and add the page."""
    app = site.create_app()

    @app.get("/left-alone")
    def left_alone() -> str:
        return str(gc.get_freeze_count())

    return app
