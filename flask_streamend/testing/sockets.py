"""A viewer's socket over Flask's test client."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from flask.testing import FlaskClient
from simple_websocket import ConnectionClosed
from simple_websocket.ws import Base
from wsproto import ConnectionType
from wsproto.events import AcceptConnection
from wsproto.events import Request as WebSocketRequest

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

#: Seconds to wait for what happens at once but in another thread.
PATIENCE = 5.0


class Refused(Exception):
    """A socket was refused before the handshake.

    :param response: the answer, as a browser would have got it.
    :ivar status: its status, as 403.
    :ivar code: the problem code in it, as ``viewer-refused``; empty where it has none.
    """

    def __init__(self, response: TestResponse) -> None:
        super().__init__(f"{response.status_code}: {response.get_data(as_text=True)}")
        self.response = response
        self.status = response.status_code
        answer = response.get_json(silent=True)
        self.code = str(answer.get("error", "")) if isinstance(answer, dict) else ""


class Socket(Base):  # type: ignore[misc]
    """A viewer's socket over the test client, through a pair of connected sockets."""

    def __init__(self, client: FlaskClient, path: str, query: str, headers: dict[str, str]) -> None:
        self._client, self._path, self._query, self._headers = client, path, query, headers
        self._answer: list[TestResponse] = []
        here, self._there = socket.socketpair()
        here.settimeout(PATIENCE)
        super().__init__(here, connection_type=ConnectionType.CLIENT)
        here.settimeout(None)

    def handshake(self) -> None:
        """Shake hands: the request goes by the test client, its answer comes over the sockets."""
        lines = self.ws.send(WebSocketRequest(host="localhost", target="/")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        self._request = threading.Thread(target=self._open, args=(headers,), daemon=True)
        self._request.start()
        try:
            while not self._accepted():
                continue
        except BaseException:
            self.sock.close()
            raise
        # What came in the same breath.
        self._handle_events()
        self.connected = True

    def _accepted(self) -> bool:
        """Read a part of the answer; return whether the application has let the viewer in."""
        data = self.sock.recv(self.receive_bytes)
        if not data:
            self._request.join(PATIENCE)
            raise Refused(self._answer[0])
        self.ws.receive_data(data)
        return any(isinstance(event, AcceptConnection) for event in self.ws.events())

    def _open(self, headers: dict[str, str]) -> None:
        try:
            self._answer.append(
                self._client.get(
                    self._path,
                    query_string=self._query,
                    headers={**headers, **self._headers},
                    environ_overrides={"werkzeug.socket": self._there},
                )
            )
        finally:
            with suppress(OSError):
                self._there.shutdown(socket.SHUT_RDWR)
            self._there.close()

    def close(self, reason: int | None = None, message: str | None = None) -> None:
        """Close, and wait until the application has let the viewer go."""
        with suppress(ConnectionClosed, OSError):
            super().close(reason, message)
        self._request.join(PATIENCE)
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(PATIENCE)
