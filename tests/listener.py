"""A viewer of a streamed response, by hand."""

from __future__ import annotations

import socket

from .servers import PATIENCE, Site


class Listener:
    """Somebody who listens to a streamed response.

    :param site: the process that streams it.
    """

    def __init__(self, site: Site, event_id: str) -> None:
        self._sock = socket.create_connection(("127.0.0.1", site.port), PATIENCE)
        self._sock.sendall(f"GET /stream/{event_id} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        heard = b""
        while b"still there" not in heard:
            more = self._sock.recv(4096)
            assert more, heard
            heard += more

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Hang up."""
        self._sock.close()
