"""The chaos tests' mail server, and what it took."""

from __future__ import annotations

import json
import signal
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from ..certificates import certificate
from ..servers import Process, accepts, eventually, free_port
from .mail_server import Order


@dataclass(frozen=True)
class Arrival:
    """A message that reached the mail server.

    :param at: when it had been read to its end.
    :param answered: whether it was answered with 250.
    """

    event_id: str
    message_id: str
    at: float
    answered: bool


class Mailbox:
    """A mail server that obeys orders.

    :param tls: it takes mail only over TLS, with a certificate of its own or of another host.
    :ivar ca: a file that vouches for both.
    """

    def __init__(self, folder: Path, tls: bool = False) -> None:
        self.port = free_port()
        self.ca = folder / "trusted"
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "mails").touch()
        if tls:
            hosts = {"right": "127.0.0.1", "wrong": "elsewhere.example.org"}
            made = [certificate(folder, host, stem)[0] for stem, host in hosts.items()]
            self.ca.write_text("".join(pem.read_text() for pem in made))
        self.order(Order.TAKE)
        self.process = self._begin()
        self.await_listening()

    def _begin(self) -> Process:
        command = [sys.executable, "-m", "tests.chaos.mail_server", str(self.port)]
        return Process([*command, str(self._folder)], self._folder / "log")

    def await_listening(self) -> None:
        """Wait until it listens."""
        eventually(lambda: accepts(self.port), "the mail server listens")

    def order(self, order: Order) -> None:
        """Have it behave so from its next step on."""
        new = self._folder / "order.new"
        new.write_text(order.value)
        new.replace(self._folder / "order")

    def kill(self) -> None:
        """Have it refuse connections."""
        self.process.signal(signal.SIGKILL)
        self.process.stop()

    def restart(self) -> None:
        """Start it again at its port, and wait until it listens."""
        self.process = self._begin()
        self.await_listening()

    def dead(self) -> bool:
        """Return whether its process has ended."""
        return self.process.popen.poll() is not None

    def arrivals(self) -> dict[str, list[Arrival]]:
        """Return what reached it so far, by event, oldest first."""
        found: dict[str, list[Arrival]] = defaultdict(list)
        for line in (self._folder / "mails").read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                arrival = Arrival(**json.loads(line))
                found[arrival.event_id].append(arrival)
        return dict(found)

    def told(self) -> set[str]:
        """Return the events about which a message was taken and answered so."""
        return {
            event_id
            for event_id, arrivals in self.arrivals().items()
            if any(arrival.answered for arrival in arrivals)
        }
