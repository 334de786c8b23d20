"""The example site over Flask's test client, with a Redis and a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from example_app import create_app


@pytest.fixture
def app(tmp_path: Path, redis_url: str) -> Flask:
    """Return the example's application."""
    return create_app(
        STREAMEND_REDIS_URL=redis_url,
        DATABASE=str(tmp_path / "porchlight.sqlite3"),
        MAILBOX_DIR=str(tmp_path / "mailbox"),
    )


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Return a browser without JavaScript."""
    return app.test_client()
