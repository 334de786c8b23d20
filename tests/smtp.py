"""Mail servers in a thread of the test: a real one, and one that misbehaves as it is told."""

from __future__ import annotations

import email
import email.policy
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from .servers import PATIENCE, free_port

#: Of a scripted server: the end of the message, as a step of its own.
END = "."


def parsed(content: bytes) -> EmailMessage:
    """Return a message as a mail program reads it."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


class Inbox:
    """An aiosmtpd handler that keeps what it accepts.

    :param refuse: called with a recipient; an answer refuses it, an empty text accepts.
    """

    def __init__(self, refuse: Callable[[str], str] = lambda address: "") -> None:
        self.refuse = refuse
        self.raw: list[bytes] = []
        self.recipients: list[str] = []
        self.senders: list[str] = []
        self.greetings: list[str] = []

    @property
    def messages(self) -> list[EmailMessage]:
        """Return what was accepted."""
        return [parsed(content) for content in self.raw]

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, name: str, answers: list[str]
    ) -> list[str]:
        """Note what the client calls itself."""
        session.host_name = name
        self.greetings.append(name)
        return answers

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Accept or refuse a recipient."""
        answer = self.refuse(address)
        if not answer:
            envelope.rcpt_tos.append(address)
        return answer or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Keep a message."""
        self.raw.append(envelope.content)
        self.recipients += envelope.rcpt_tos
        self.senders.append(envelope.mail_from)
        return "250 OK"


class Server(Controller):
    """A mail server on a free loopback port.

    :param wrapped: a context with which every connection is TLS from its first byte.
    :param starttls: a context for STARTTLS, without which no mail is taken then.
    """

    def __init__(
        self,
        inbox: Inbox,
        wrapped: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
    ) -> None:
        self._starttls = starttls
        super().__init__(
            inbox,
            hostname="127.0.0.1",
            port=free_port(),
            ssl_context=wrapped,
            ready_timeout=PATIENCE,
        )

    def factory(self) -> SMTP:
        """Return the protocol of one connection."""
        wanted = self._starttls is not None
        return SMTP(
            self.handler, hostname="here", tls_context=self._starttls, require_starttls=wanted
        )

    def _trigger_server(self) -> None:
        # Its own check whether it listens opens a connection by TLS, and trusts no certificate.
        socket.create_connection((self.hostname, self.port), PATIENCE).close()


class ScriptedServer:
    """A mail server that answers each step as it is told.

    :param answers: by SMTP's verb (``CONNECT``, ``EHLO``, ``MAIL``, ``RCPT``, ``DATA``, ``.`` for
        the end of the message, and ``AGAIN`` for ``MAIL`` once a connection has had one), what to
        answer; an empty text: nothing, for ever.
    :param hang_up: the step after whose answer it closes the connection.
    :param drip: the step whose answer it gives byte by byte, without an end.
    :param together: it takes commands before it has answered earlier ones (RFC 2920), and says so.
    :ivar mails: messages that it accepted.
    :ivar raw: messages that came to their end, whatever it answered.
    """

    def __init__(
        self,
        answers: dict[str, str] | None = None,
        hang_up: str = "",
        drip: str = "",
        together: bool = False,
    ) -> None:
        can = "250-here\r\n250 PIPELINING" if together else "250 here"
        usual = {"CONNECT": "220 here", "EHLO": can, "DATA": "354 go on"}
        self._answers = {**usual, **(answers or {})}
        self.together = together
        self._hang_up = hang_up
        self._drip = drip
        self._stopped = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.mails = 0
        self.raw: list[bytes] = []
        self.steps: list[str] = []
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def answer(self, step: str, answer: str) -> None:
        """Answer a step otherwise from now on."""
        self._answers[step] = answer

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            self._open.append(sock)
            with suppress(OSError, EOFError), sock.makefile("rb") as lines:
                self._speak(sock, lines)
            # A file made of it keeps the connection open until both are closed.
            sock.close()

    def _speak(self, sock: socket.socket, lines: Any) -> None:
        step, messages, silent = "CONNECT", 0, False
        while True:
            answer = self._answers.get(step, "250 OK")
            if step == "MAIL" and messages:
                answer = self._answers.get("AGAIN", answer)
            self.steps.append(step)
            if step == END:
                self.mails += answer.startswith("250")
            while step == self._drip:
                sock.sendall(b"2")
                self._stopped.wait(0.05)
            silent = silent or not answer
            if not silent:
                sock.sendall(f"{answer}\r\n".encode())
            if step == self._hang_up:
                return
            if step == "DATA" and answer.startswith("354"):
                self.raw.append(b"".join(iter(lambda: self._line(lines), b".\r\n")))
                step, messages = END, messages + 1
            else:
                step = self._line(lines)[:4].decode().upper().strip()

    @staticmethod
    def _line(lines: Any) -> bytes:
        line: bytes = lines.readline()
        if not line:
            raise EOFError
        return line

    def stop(self) -> None:
        """Hang up on everybody and listen no more."""
        # Closing alone does not wake the thread that accepts or reads.
        for sock in (self._listening, *self._open):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        self._thread.join(PATIENCE)
