"""A mail server in a thread of the test, which notes each mail's instant and each connection."""

from __future__ import annotations

import socket
import time
from collections import defaultdict
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from .servers import PATIENCE, free_port
from .smtp import parsed


class CountingServer(Controller):
    """A mail server on a free loopback port.

    :ivar arrivals: by the event's id, when each mail about it was accepted.
    :ivar opened: connections that were opened so far.
    """

    def __init__(self) -> None:
        self.arrivals: defaultdict[str, list[float]] = defaultdict(list)
        self.opened = 0
        self._protocols: list[SMTP] = []
        super().__init__(self, hostname="127.0.0.1", port=free_port(), ready_timeout=PATIENCE)

    def factory(self) -> SMTP:
        """Return the protocol of one connection."""
        protocol = SMTP(self, hostname="here")
        self._protocols.append(protocol)
        return protocol

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, name: str, answers: list[str]
    ) -> list[str]:
        """Count a connection of somebody who means to send."""
        session.host_name = name
        self.opened += 1
        return answers

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Note a mail."""
        event_id = str(parsed(envelope.content)["Subject"]).rpartition("The ")[2]
        self.arrivals[event_id].append(time.time())
        return "250 OK"

    def hang_up(self) -> None:
        """Close every connection, as a server does that had enough of waiting."""
        for protocol in self._protocols:
            if protocol.transport is not None:
                self.loop.call_soon_threadsafe(protocol.transport.close)
        self._protocols.clear()

    def about(self, prefix: str) -> dict[str, list[float]]:
        """Return the arrivals about events whose ids begin so."""
        return {event: at for event, at in self.arrivals.copy().items() if event.startswith(prefix)}

    def _trigger_server(self) -> None:
        socket.create_connection((self.hostname, self.port), PATIENCE).close()
