"""Viewers by the hundred, in a process of their own and as cheap as can be.

``python -m benchmarks.viewers PORT PROTOCOL`` obeys lines of JSON and answers each with one:

``{"open": [event ids], "window": 16, "apart": 0.0}``
    Open a socket for each, that many handshakes at a time, so many seconds apart.
``{"close": seconds, "last": null}``
    Hang up on them, or on so many of the last, in the order of the events, spread evenly.

The answer to the first is ``{"seconds": …}``, how long it took; to the second ``{"at": […]}``, when
each was hung up on, in epoch seconds, in the order in which their events were given.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Seconds in which a handshake must be answered.
PATIENCE = 30.0
#: A masked close frame with status 1001, going away: what a browser sends.
GOING_AWAY = b"\x88\x82\x00\x00\x00\x00\x03\xe9"


@dataclass(frozen=True)
class Protocol:
    """How a viewer of an event comes.

    :param path: where, by event.
    :param greets: what it sends after the handshake.
    :param welcome: what it then waits for.
    """

    path: str
    greets: bytes = b""
    welcome: bytes = b""


PROTOCOLS = {
    "plain": Protocol("/ws/{}"),
    # Socket.IO's own handshake follows the WebSocket's: a masked text frame `40`, and its answer.
    "socketio": Protocol(
        "/socket.io/?EIO=4&transport=websocket&event={}", b"\x81\x82\x00\x00\x00\x0040", b"40{"
    ),
}


class _Opening:
    """A socket on its way in.

    :param place: its number among those who are on their way.
    :param path: what it asks for.
    """

    def __init__(self, place: int, port: int, path: str, protocol: Protocol) -> None:
        self.place = place
        self._protocol = protocol
        self._heard = b""
        self._greeted = False
        self.sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )

    def hear(self) -> bool:
        """Take in what came; return whether the viewer is in."""
        data = self.sock.recv(4096)
        self._heard += data
        if not data or not self._heard.startswith(b"HTTP/1.1 101 "[: len(self._heard)]):
            raise RuntimeError(f"a handshake was refused: {self._heard[:300]!r}")
        _, over, rest = self._heard.partition(b"\r\n\r\n")
        if over and not self._greeted:
            self._greeted = True
            self.sock.sendall(self._protocol.greets)
        return bool(over) and self._protocol.welcome in rest


class Viewers:
    """Sockets to one site.

    :param port: the site's, on loopback.
    """

    def __init__(self, port: int, protocol: Protocol) -> None:
        self._port = port
        self._protocol = protocol
        self._open: list[socket.socket] = []

    def open(self, events: Sequence[str], window: int, apart: float) -> float:
        """Open a socket for each event, so many at a time; return the seconds it took.

        :param apart: seconds between two at the least.
        """
        waiting: dict[int, _Opening] = {}
        poll, left, began = select.epoll(), enumerate(events), time.perf_counter()
        # Answers come in an order of their own.
        came: dict[int, socket.socket] = {}
        self._start(poll, waiting, left, window)
        while waiting:
            ready = poll.poll(PATIENCE)
            if not ready:
                raise TimeoutError(f"{len(waiting)} handshakes hang")
            for number, _ in ready:
                if waiting[number].hear():
                    poll.unregister(number)
                    opening = waiting.pop(number)
                    came[opening.place] = opening.sock
                    time.sleep(apart)
                    self._start(poll, waiting, left, 1)
        poll.close()
        self._open += [came[place] for place in sorted(came)]
        return time.perf_counter() - began

    def _start(
        self,
        poll: select.epoll,
        waiting: dict[int, _Opening],
        events: Iterator[tuple[int, str]],
        count: int,
    ) -> None:
        for _, (place, event_id) in zip(range(count), events, strict=False):
            path = self._protocol.path.format(event_id)
            opening = _Opening(place, self._port, path, self._protocol)
            waiting[opening.sock.fileno()] = opening
            poll.register(opening.sock.fileno(), select.EPOLLIN)

    def close(self, seconds: float, last: int | None) -> list[float]:
        """Close them all, evenly over some seconds; return when each was, since the epoch.

        :param last: close no more than so many, the last of them.
        """
        began = time.perf_counter()
        at = []
        leaving = self._open if last is None else self._open[-last:]
        for number, sock in enumerate(leaving):
            wait = began + seconds * number / len(leaving) - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            at.append(time.time())
            sock.sendall(GOING_AWAY)
        for sock in leaving:
            sock.close()
        self._open = self._open[: len(self._open) - len(leaving)]
        return at


def main() -> None:
    """Obey."""
    viewers = Viewers(int(sys.argv[1]), PROTOCOLS[sys.argv[2]])
    for line in sys.stdin:
        order = json.loads(line)
        answer: dict[str, float | list[float]]
        if "open" in order:
            answer = {"seconds": viewers.open(order["open"], order["window"], order["apart"])}
        else:
            answer = {"at": viewers.close(order["close"], order["last"])}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
