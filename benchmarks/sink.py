"""A mail server that takes everything at once and notes when it took what.

``python -m benchmarks.sink PORT FILE`` writes a line ``<event id> <epoch seconds>`` for each
message just before it accepts it. The event's id is read from the subject, being its name too.
A scene's events are ``<scene>-<number>``.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import IO

SUBJECT = b"Subject: Event Stream Ended - "
ANSWERS = {
    b"QUIT": b"221 bye\r\n",
    b"DATA": b"354 go on\r\n",
    b"EHLO": b"250-sink\r\n250-PIPELINING\r\n250-SIZE 10000000\r\n250 8BITMIME\r\n",
}


class Session(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, accepted: IO[str]) -> None:
        self._accepted = accepted
        self._buffer = b""
        self._in_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer each command, and each message at its end."""
        self._buffer += data
        while True:
            end = b"\r\n.\r\n" if self._in_data else b"\r\n"
            part, found, rest = self._buffer.partition(end)
            if not found:
                return
            self._buffer = rest
            if self._in_data:
                self._in_data = False
                self._accept(part)
            else:
                self._command(part[:4].upper())

    def _command(self, verb: bytes) -> None:
        self._in_data = verb == b"DATA"
        self._transport.write(ANSWERS.get(verb, b"250 ok\r\n"))
        if verb == b"QUIT":
            self._transport.close()

    def _accept(self, message: bytes) -> None:
        event_id = message.partition(SUBJECT)[2].partition(b"\r\n")[0].decode()
        self._accepted.write(f"{event_id} {time.time():.6f}\n")
        self._accepted.flush()
        self._transport.write(b"250 taken\r\n")


def all_of(accepted: Path, scene: str, count: int) -> dict[str, float]:
    """Return when a scene's messages were accepted, by event; nothing before all of them were.

    Asked often, beside what is measured: as long as there are too few it only counts.
    """
    if (b"\n" + accepted.read_bytes()).count(f"\n{scene}-".encode()) < count:
        return {}
    rows = (line.split() for line in accepted.read_text().splitlines())
    found = {event: float(at) for event, at in rows if event.startswith(f"{scene}-")}
    return found if len(found) == count else {}


async def serve(port: int, accepted: IO[str]) -> None:
    """Serve until the process is ended."""
    server = await asyncio.get_running_loop().create_server(
        lambda: Session(accepted), "127.0.0.1", port
    )
    await server.serve_forever()


if __name__ == "__main__":
    with open(sys.argv[2], "w") as file:
        asyncio.run(serve(int(sys.argv[1]), file))
