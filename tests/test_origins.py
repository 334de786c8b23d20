"""Which pages may open a socket, and what a process says of those it refuses."""

from __future__ import annotations

import logging
import re

import pytest
from cryptography.fernet import Fernet
from flask import Flask

from flask_streamend import Event, StreamEnd, access
from flask_streamend.drain import drain
from flask_streamend.state import state_of

HOST = "live.example.org:8443"
Answer = tuple[int, str]


def make_app(**config: object) -> Flask:
    """Make an application that runs in the test."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="tests",
        MAIL_DEFAULT_SENDER="live@example.org",
        STREAMEND_REDIS_URL="memory://",
        FRONTEND_URL="https://front.example.org",
        **config,
    )
    StreamEnd(app, event_loader=lambda event_id: Event(event_id, "Jam", "h1", None))
    return app


def ask(app: Flask, origin: str | None, host: str = HOST) -> Answer:
    """Ask an application as a page of an origin, and return status and code."""
    headers = {"Host": host} | ({} if origin is None else {"Origin": origin})
    response = app.test_client().get("/ws/jam", headers=headers)
    assert response.json is not None
    return response.status_code, response.json["error"]


LET_IN = (426, "upgrade-required")
REFUSED = (403, "origin-refused")
ANOTHER = ["https://other.example.com", "http://third.example.com:8000"]


@pytest.mark.parametrize(
    ("origin", "allowed", "answer"),
    [
        (None, (), LET_IN),
        ("https://live.example.org:8443", (), LET_IN),
        ("http://live.example.org:8443", (), LET_IN),
        ("https://LIVE.example.org:8443", (), LET_IN),
        ("https://live.example.org", (), REFUSED),
        ("https://live.example.org:8444", (), REFUSED),
        ("https://live.example.org.evil.net:8443", (), REFUSED),
        ("https://front.example.org", (), LET_IN),
        ("https://front.example.org:444", (), REFUSED),
        ("null", (), REFUSED),
        ("", (), REFUSED),
        ("https://live.example.org:port", (), REFUSED),
        ("https://[", (), REFUSED),
        ("https://other.example.com", ANOTHER, LET_IN),
        ("http://third.example.com:8000", ANOTHER, LET_IN),
        ("http://third.example.com", ANOTHER, REFUSED),
        ("https://front.example.org", ANOTHER, LET_IN),
        ("https://anything.example.net", "*", LET_IN),
        ("null", "*", LET_IN),
    ],
)
def test_origins(origin: str | None, allowed: object, answer: Answer) -> None:
    """Let in are the same host and port, FRONTEND_URL's, those listed, and who sends none."""
    assert ask(make_app(STREAMEND_ALLOWED_ORIGINS=allowed), origin) == answer


def test_a_port_that_goes_without_saying_is_the_scheme_s() -> None:
    """Behind a proxy that ends TLS the page's https and the host without a port are the same."""
    app = make_app()
    for origin in ("https://live.example.org", "http://live.example.org"):
        assert ask(app, origin, host="live.example.org") == LET_IN
    assert ask(app, "https://live.example.org:443", host="live.example.org") == LET_IN


def test_a_token_outlives_a_rotated_key() -> None:
    """A token made with a key that is no longer the newest opens until that key is removed."""
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    with make_app(STREAMEND_ENCRYPTION_KEYS=[old]).app_context() as context:
        token = state_of(context.app).extension.join_token("jam", "ann")
    both_keys = make_app(STREAMEND_ENCRYPTION_KEYS=[new, old])
    assert both_keys.test_client().get(f"/ws/jam?token={token}").status_code == 426
    only_new = make_app(STREAMEND_ENCRYPTION_KEYS=[new])
    assert only_new.test_client().get(f"/ws/jam?token={token}").status_code == 403


def test_a_process_that_stops_refuses_with_503() -> None:
    """A draining process sends viewers elsewhere."""
    app = make_app()
    drain(state_of(app))
    response = app.test_client().get("/ws/jam")
    assert response.json is not None
    assert (response.status_code, response.json["error"]) == (503, "draining")


def test_a_refusal_is_logged_once_a_minute_a_code(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many refusals by one code one is logged, and the next line says how many it was."""
    app = make_app()
    caplog.set_level(logging.WARNING, "flask_streamend")
    for _ in range(5):
        app.test_client().get("/ws/not an id")
        ask(app, "https://evil.example.net")
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition(":")[0] for line in lines] == ["bad-event-id", "origin-refused"]
    monkeypatch.setattr(access, "LOG_EVERY", 0.0)
    app.test_client().get("/ws/not an id")
    assert re.match(r"bad-event-id: a viewer was refused \(4 more ", caplog.records[-1].message)
