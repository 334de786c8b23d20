"""A viewer made by hand, which can break every rule of RFC 6455, and how a site counts it."""

from __future__ import annotations

import base64
import os
import socket
import struct
from contextlib import suppress
from typing import ClassVar

import pytest

from .servers import PATIENCE, Site, eventually

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


WORKERS = [
    pytest.param(("-k", "gevent"), id="gevent"),
    pytest.param(("-k", "gthread", "--threads", "50"), id="gthread"),
]
both_workers = pytest.mark.parametrize("worker", WORKERS)
Worker = tuple[str, ...]


def count(site: Site) -> float | None:
    """Return the viewers of all events, as the metrics page has them."""
    return site.metric("streamend_clients")


def wait_for(site: Site, viewers: int) -> None:
    """Wait until this many viewers are counted."""
    eventually(lambda: count(site) == viewers, f"{viewers} viewers are counted")


class RawViewer:
    """A WebSocket client that does nothing by itself: it answers no ping and no close.

    :param port: the site's port.
    :param event_id: the event to watch.
    :param more: more lines of the request's head, each with its end.
    """

    opened: ClassVar[list[RawViewer]] = []

    def __init__(self, port: int, event_id: str, more: str = "") -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.opened.append(self)
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(
            f"GET /ws/{event_id} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"{more}\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.sock.recv(1)
            assert byte, head
            head += byte
        assert head.startswith(b"HTTP/1.1 101 "), head

    def send(self, opcode: int, payload: bytes = b"", fin: bool = True) -> None:
        """Send one frame."""
        self.sock.sendall(frame(opcode, payload, fin))

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def read(self) -> tuple[int, bytes] | None:
        """Return the next frame's opcode and payload; None where the server hung up."""
        try:
            first, length = self._exactly(2)
            if length == 126:
                (length,) = struct.unpack("!H", self._exactly(2))
            return first & 15, self._exactly(length)
        except (EOFError, ConnectionResetError):
            return None

    def rest(self) -> list[tuple[int, bytes]]:
        """Return every frame until the server hangs up."""
        return list(iter(self.read, None))

    def close(self) -> None:
        """Hang up without a word."""
        self.sock.close()

    @classmethod
    def close_all(cls) -> None:
        """Hang up for every viewer that a test left, as a failed one does."""
        while cls.opened:
            cls.opened.pop().close()

    def reset(self) -> None:
        """Have the connection reset, as where a machine lost its state."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def leave(self) -> None:
        """Close with the handshake the RFC asks for."""
        self.send(CLOSE, struct.pack("!H", 1000))
        self.rest()
        with suppress(OSError):
            self.sock.close()


def frame(opcode: int, payload: bytes, fin: bool = True) -> bytes:
    """Return a client's frame, masked with zeros."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 1 << 16:
        length = struct.pack("!BH", 0x80 | 126, size)
    else:
        length = struct.pack("!BQ", 0x80 | 127, size)
    return bytes([(0x80 if fin else 0) | opcode]) + length + bytes(4) + payload


def close_code(payload: bytes) -> int:
    """Return the status a close frame carries."""
    (code,) = struct.unpack("!H", payload[:2])
    return int(code)
