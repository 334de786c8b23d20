"""Flask-Mail's connection with what it lacks: time-outs, a checked certificate, a verdict.

Flask-Mail 0.10 opens SMTP with no time-out and checks no certificate, and a server that drops the
line after it took the message makes its ``send`` raise, so that a retry would mail twice.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from contextlib import suppress
from functools import lru_cache
from types import TracebackType
from typing import Any

from flask_mail import Connection, Message

from ..errors import PermanentError
from ..settings import Settings


@lru_cache(maxsize=1)
def _local_name() -> str:
    """Return this host's name for EHLO; asked once, since it may go out to the DNS."""
    return socket.getfqdn()


class SMTPConnection(Connection):
    """One connection to the mail server.

    :param mail: Flask-Mail's state.
    :param settings: time-out and certificate checks.
    """

    def __init__(self, mail: Any, settings: Settings) -> None:
        super().__init__(mail)
        self._timeout = settings.mail_timeout
        self._verify = settings.mail_verify
        self._ca = settings.mail_ca

    def configure_host(self) -> smtplib.SMTP | smtplib.SMTP_SSL:
        """Connect, encrypt and log in, each step within the time-out."""
        mail, timeout, name = self.mail, self._timeout, _local_name()
        host: smtplib.SMTP | smtplib.SMTP_SSL
        if mail.use_ssl:
            host = smtplib.SMTP_SSL(
                mail.server, mail.port, name, timeout=timeout, context=self._context()
            )
        else:
            host = smtplib.SMTP(mail.server, mail.port, name, timeout=timeout)
        try:
            host.set_debuglevel(int(mail.debug))
            if mail.use_tls:
                host.starttls(context=self._context())
            if mail.username and mail.password:
                host.login(mail.username, mail.password)
        except BaseException:
            host.close()
            raise
        return host

    def alive(self) -> bool:
        """Return whether the server still answers on this connection."""
        try:
            return self.host is not None and self.host.noop()[0] == 250
        except (smtplib.SMTPException, OSError):
            return False

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._ca:
            context.load_verify_locations(self._ca)
        if not self._verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def send(self, message: Message, envelope_from: Any = None) -> None:
        """Send one message; the server's answer to DATA decides.

        :raises PermanentError: where the server refused message or recipient for good (5xx).
        """
        try:
            super().send(message, envelope_from)
        except smtplib.SMTPRecipientsRefused as error:
            # Its own text prints the address; the server's answer may too, and is masked later.
            code, answer = next(iter(error.recipients.values()))
            _raise(code, answer, error)
        except smtplib.SMTPResponseException as error:
            _raise(error.smtp_code, error.smtp_error, error)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """End politely; what fails now is no failure of what was sent."""
        if self.host is not None:
            with suppress(smtplib.SMTPException, OSError):
                self.host.quit()
            self.host.close()
            self.host = None


def _raise(code: int, answer: bytes | str, error: smtplib.SMTPException) -> None:
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    if 500 <= code < 600:
        raise PermanentError(f"{code} {text}") from error
    raise OSError(f"{code} {text}") from error
