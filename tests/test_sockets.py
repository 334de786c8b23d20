"""Sockets that are no viewer's: an application's own, and those that never came about."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from flask import Flask, request
from flask_sock import Sock
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, TextMessage

from flask_streamend import StreamEnd
from flask_streamend.state import state_of
from flask_streamend.testing import Socket


@pytest.fixture
def app() -> Flask:
    """Return an application with a socket of its own."""
    app = Flask(__name__)
    app.config.update(STREAMEND_REDIS_URL="memory://", MAIL_DEFAULT_SENDER="live@example.org")
    StreamEnd(app)
    sock = Sock(app)

    @sock.route("/echo")  # type: ignore[untyped-decorator]
    def echo(ws: Any) -> None:
        while True:
            ws.send(ws.receive(timeout=10))

    return app


def test_an_application_s_own_socket_is_left_alone(app: Flask) -> None:
    """It gets what is sent to it, as text and of any length, and is no viewer."""
    own = Socket(app.test_client(), "/echo", "", {})
    long = "☕" * 10_000
    for message in ("one", long, "three"):
        own.send(message)
        assert own.receive(timeout=10) == message
    assert state_of(app).presence.total() == 0
    own.close()


def test_what_comes_with_the_answer_is_received() -> None:
    """A test's socket hears what a server says in the same breath in which it lets it in."""
    app = Flask("breath")

    @app.route("/hello", websocket=True)
    def hello() -> str:
        server, sock = WSConnection(ConnectionType.SERVER), request.environ["werkzeug.socket"]
        server.receive_data(f"GET /hello HTTP/1.1\r\n{request.headers}".encode())
        assert list(server.events())
        sock.sendall(server.send(AcceptConnection()) + server.send(TextMessage("hello")))
        sock.recv(1)
        return ""

    own = Socket(app.test_client(), "/hello", "", {})
    assert own.receive(timeout=10) == "hello"
    own.close()


def test_a_handshake_that_fails_leaves_no_viewer(app: Flask) -> None:
    """Who was let in and whose handshake broke a rule is counted no more."""
    here, there = socket.socketpair()
    with here, there:
        answer = app.test_client().get(
            "/ws/jam",
            headers={"Connection": "Upgrade", "Upgrade": "websocket"},
            environ_overrides={"werkzeug.socket": there},
        )
    assert (answer.status_code, answer.json["error"]) == (400, "bad-handshake")  # type: ignore[index]
    assert state_of(app).presence.counts() == {}
