"""Viewers by the hundred, in a process of their own and as cheap as can be.

``python -m benchmarks.viewers PORT`` obeys lines of JSON and answers each with one:

``{"open": [event ids], "window": 16}``
    Open a socket for each, that many handshakes at a time; answers ``{"seconds": …}``.
``{"close": seconds}``
    Hang up on all of them in the order they came, spread evenly; answers ``{"seconds": …}``.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections.abc import Iterator, Sequence

#: Seconds in which a handshake must be answered.
PATIENCE = 30.0
#: A masked close frame with status 1001, going away: what a browser sends.
GOING_AWAY = b"\x88\x82\x00\x00\x00\x00\x03\xe9"


class Viewers:
    """Sockets to one site.

    :param port: the site's, on loopback.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: list[socket.socket] = []

    def open(self, events: Sequence[str], window: int) -> float:
        """Open a socket for each event; return the seconds it took."""
        waiting: dict[int, tuple[socket.socket, bytes]] = {}
        poll, left, began = select.epoll(), iter(events), time.perf_counter()
        self._start(poll, waiting, left, window)
        while waiting:
            ready = poll.poll(PATIENCE)
            if not ready:
                raise TimeoutError(f"{len(waiting)} handshakes hang")
            for number, _ in ready:
                sock, head = waiting[number]
                head += sock.recv(4096)
                if not head.startswith(b"HTTP/1.1 101 "[: len(head)]) or not head:
                    raise RuntimeError(f"a handshake was refused: {head[:300]!r}")
                if b"\r\n\r\n" not in head:
                    waiting[number] = (sock, head)
                    continue
                del waiting[number]
                poll.unregister(number)
                self._open.append(sock)
                self._start(poll, waiting, left, 1)
        poll.close()
        return time.perf_counter() - began

    def _start(
        self,
        poll: select.epoll,
        waiting: dict[int, tuple[socket.socket, bytes]],
        events: Iterator[str],
        count: int,
    ) -> None:
        for _, event_id in zip(range(count), events, strict=False):
            sock = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
            sock.sendall(
                f"GET /ws/{event_id} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            waiting[sock.fileno()] = (sock, b"")
            poll.register(sock.fileno(), select.EPOLLIN)

    def close(self, seconds: float) -> float:
        """Close them all, evenly over some seconds; return the seconds it took."""
        began = time.perf_counter()
        for number, sock in enumerate(self._open):
            wait = began + seconds * number / len(self._open) - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            sock.sendall(GOING_AWAY)
        took = time.perf_counter() - began
        for sock in self._open:
            sock.close()
        self._open.clear()
        return took


def main() -> None:
    """Obey."""
    viewers = Viewers(int(sys.argv[1]))
    for line in sys.stdin:
        order = json.loads(line)
        if "open" in order:
            seconds = viewers.open(order["open"], order["window"])
        else:
            seconds = viewers.close(order["close"])
        sys.stdout.write(json.dumps({"seconds": seconds}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
