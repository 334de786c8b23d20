"""Receive mails by SMTP and keep each as a file: ``python -m example_app.mailbox --port 8025``.

It stands in for a mail server, takes whatever it is given, and delivers nothing to anybody.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from example_app import letters

BIGGEST = 1_000_000  # bytes


class Keeper:
    """Write each mail that arrives into a folder."""

    def __init__(self, folder: Path) -> None:
        """Keep mails in the folder, which must exist."""
        self.folder = folder

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Answer 250 only once the mail is a file."""
        content = envelope.original_content or b""
        letters.keep(self.folder, content)
        return "250 OK: kept"


async def serve(port: int, folder: Path) -> None:
    """Listen on the loopback address until SIGINT or SIGTERM."""
    folder.mkdir(parents=True, exist_ok=True)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def session() -> SMTP:
        return SMTP(Keeper(folder), data_size_limit=BIGGEST, hostname="mailbox.localhost")

    server = await loop.create_server(session, "127.0.0.1", port)
    port = server.sockets[0].getsockname()[1]
    print(f"mailbox on 127.0.0.1:{port}, mails in {folder}", flush=True)
    await stop.wait()
    server.close()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m example_app.mailbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8025, help="0: any free one")
    parser.add_argument("--dir", type=Path, default=Path("instance/mailbox"), dest="folder")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(options.port, options.folder))


if __name__ == "__main__":
    main()
