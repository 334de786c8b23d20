"""A mail server that misbehaves as it is ordered, in a process of its own.

``python -m tests.chaos.mail_server PORT FOLDER`` reads its order from ``FOLDER/order`` at each step
(see :class:`Order`), and appends a line of JSON to ``FOLDER/mails`` for each message just before it
answers. Where ``FOLDER/right.pem`` is, it takes mail only over TLS.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import time
from email import message_from_bytes, policy
from enum import Enum
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

SUBJECT = "Event Stream Ended - The "
#: Seconds each message takes where it is ordered to be slow.
SLOW = 0.02


class Order(Enum):
    """What it is told to do."""

    TAKE = "take"
    SLOW = "slow"
    """Take its time for each message."""
    REFUSE = "refuse"
    """Answer 451 to each sender."""
    HANG = "hang"
    """Say nothing more."""
    WRONG = "wrong"
    """Present another host's certificate."""
    DIE_BEFORE = "die before"
    """Take the message, and die instead of an answer."""
    DIE_AFTER = "die after"
    """Take the message, answer 250, and die."""


class Server:
    """aiosmtpd's handler, and what its protocols are made with."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._contexts = {pem.stem: _context(pem) for pem in folder.glob("*.pem")}

    def order(self) -> Order:
        """Return what it is told now."""
        return Order((self._folder / "order").read_text())

    def protocol(self) -> SMTP:
        """Return the protocol of one connection."""
        which = "wrong" if self.order() is Order.WRONG else "right"
        context = self._contexts.get(which)
        required = context is not None
        return SMTP(self, hostname="here", tls_context=context, require_starttls=required)

    async def _obey(self) -> str:
        """Return the refusal that is ordered, if one is; wait where it is ordered to hang."""
        while (order := self.order()) is Order.HANG:
            await asyncio.sleep(0.05)
        return "451 not now" if order is Order.REFUSE else ""

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, name: str, answers: list[str]
    ) -> list[str]:
        """Greet, in time."""
        await self._obey()
        session.host_name = name
        return answers

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Accept a sender, or refuse it for now."""
        refusal = await self._obey()
        if not refusal:
            envelope.mail_from = address
        return refusal or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Keep a message."""
        order, at = self.order(), time.time()
        if order is Order.SLOW:
            await asyncio.sleep(SLOW)
        message = message_from_bytes(envelope.content, policy=policy.default)
        line = {
            "event_id": str(message["Subject"]).removeprefix(SUBJECT),
            "message_id": str(message["Message-ID"]),
            "at": at,
            "answered": order is not Order.DIE_BEFORE,
        }
        with (self._folder / "mails").open("a") as mails:
            mails.write(json.dumps(line) + "\n")
        if order is Order.DIE_AFTER:
            await server.push("250 OK")
        if order in (Order.DIE_BEFORE, Order.DIE_AFTER):
            os._exit(1)
        return "250 OK"


def _context(pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, pem.with_suffix(".key"))
    return context


async def serve(port: int, folder: Path) -> None:
    """Serve until the process is ended."""
    server = Server(folder)
    loop = asyncio.get_running_loop()
    async with await loop.create_server(server.protocol, "127.0.0.1", port) as listening:
        await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
