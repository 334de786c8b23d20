"""Flask-Mail's connection with what it lacks: time-outs, a checked certificate, a verdict.

Flask-Mail 0.10 opens SMTP with no time-out and checks no certificate, and a server that drops the
line after it took the message makes its ``send`` raise, so that a retry would mail twice.
"""

from __future__ import annotations

import re
import selectors
import smtplib
import socket
import ssl
import time
from contextlib import suppress
from functools import lru_cache
from types import TracebackType
from typing import Any

from flask import current_app
from flask_mail import Connection, Message, email_dispatched

from ..errors import PermanentError
from ..settings import Settings
from ..telemetry.logs import log
from .bounded import Bounded, Lookups, cut_after
from .failures import Deferred, HungUp
from .message import written

_lookups = Lookups(most=8)
#: This host's own name: while one look-up of it hangs, no other is waited for.
_naming = Bounded(most=1)
#: Addresses of a name that are tried.
ADDRESSES = 4


@lru_cache(maxsize=1)
def _full_name(seconds: float) -> str:
    """Return this host's name as the DNS has it; an answer is remembered."""
    return _naming.call(socket.getfqdn, seconds, "looking up this host's name")


def _local_name(seconds: float) -> str:
    """Return this host's name for EHLO, as short as it calls itself where nobody says in time."""
    try:
        name = _full_name(seconds)
    except TimeoutError:
        name = socket.gethostname()
    return ascii_domain(name) or "localhost"


def ascii_domain(name: str) -> str:
    """Return a domain as it goes over the wire; empty where it can't be written so."""
    try:
        return name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        return ""


#: MAIL, RCPT, DATA, the end of the data, and one step to spare.
STEPS = 5


#: A server's answer to any command when it is about to hang up (RFC 5321, 4.2.3).
CLOSING = 421
#: Seconds for which a server that answered is taken to be there, if nothing was sent meanwhile.
FRESH = 1.0


def longest(settings: Settings) -> float:
    """Return the seconds after which an exchange is cut: a server may drip within each time-out."""
    return STEPS * settings.mail_timeout


class _Plain(smtplib.SMTP):
    """Finds, connects and is greeted in a bounded time: smtplib does it all before it returns."""

    def connect(
        self, host: str = "localhost", port: int = 0, source_address: Any = None
    ) -> tuple[int, bytes]:
        failed: OSError | None = None
        until = time.monotonic() + STEPS * self.timeout
        with cut_after(STEPS * self.timeout, self):
            for address in _lookups.addresses(host, port, self.timeout)[:ADDRESSES]:
                try:
                    return super().connect(address, port, source_address)
                except OSError as error:
                    self.close()
                    failed = error
                if time.monotonic() >= until:
                    break
        raise failed or ConnectionError(f"{host} has no address")


class _Encrypted(_Plain, smtplib.SMTP_SSL):
    """The same by TLS from the first byte."""


class SMTPConnection(Connection):
    """One connection to the mail server.

    :param mail: Flask-Mail's state.
    :param settings: time-out and certificate checks.
    """

    def __init__(self, mail: Any, settings: Settings) -> None:
        super().__init__(mail)
        self._timeout = settings.mail_timeout
        self.longest = longest(settings)
        self._verify = settings.mail_verify
        self._ca = settings.mail_ca
        self._seen = 0.0

    def configure_host(self) -> smtplib.SMTP:
        """Connect, encrypt and log in, each step within the time-out, and all within a few."""
        mail, timeout, name = self.mail, self._timeout, _local_name(self._timeout)
        host: smtplib.SMTP
        if mail.use_ssl:
            host = _Encrypted(
                mail.server, mail.port, name, timeout=timeout, context=self._context()
            )
        else:
            host = _Plain(mail.server, mail.port, name, timeout=timeout)
        try:
            host.set_debuglevel(int(mail.debug))
            with cut_after(self.longest, host):
                if mail.use_tls:
                    host.starttls(context=self._context())
                if mail.username and mail.password:
                    host.login(mail.username, mail.password)
        except BaseException:
            host.close()
            raise
        return host

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
        :raises HungUp: where it had hung up since the last message, and so was given nothing.
        """
        if message.date is None:
            message.date = time.time()
        host = self.ready()
        try:
            # Not Flask-Mail's own send: what it does after this may raise, and would mail twice.
            with cut_after(self.longest, host):
                _transact(
                    host,
                    written(envelope_from or message.sender),
                    [written(one) for one in message.send_to],
                    message,
                    kept=self.num_emails > 0,
                )
        except smtplib.SMTPRecipientsRefused as error:
            # Its own text prints the address; the server's answer may too, and is masked later.
            code, answer = next(iter(error.recipients.values()))
            _raise(code, answer, error)
        except smtplib.SMTPResponseException as error:
            _raise(error.smtp_code, error.smtp_error, error)
        self.num_emails += 1
        self._seen = 0.0  # some hang up after a mail
        try:
            email_dispatched.send(current_app._get_current_object(), message=message)  # type: ignore[attr-defined]
        except Exception:  # noqa: BLE001 - the application's code; the message is the server's now
            log.exception("A receiver of Flask-Mail's email_dispatched failed")

    def ready(self) -> smtplib.SMTP:
        """Connect anew where the server hung up since the last message, or has had its fill."""
        full = self.mail.max_emails and self.num_emails >= self.mail.max_emails
        if self.host is not None and time.monotonic() - self._seen < FRESH:
            return self.host
        if self.host is not None and self.num_emails and (full or not self._alive(self.host)):
            self.__exit__(None, None, None)
        if self.host is None:
            self.host = self.configure_host()
            self.num_emails = 0
        self._seen = time.monotonic()
        return self.host

    def _alive(self, host: smtplib.SMTP) -> bool:
        """Look whether it hung up; ask, where a message may be lost before that is noticed."""
        if host.has_extn("pipelining") and not _said_something(host):
            return True
        try:
            with cut_after(self._timeout, host):
                return bool(host.noop()[0] == 250)
        except (smtplib.SMTPException, OSError):
            return False

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """End politely; what fails now is no failure of what was sent."""
        if self.host is not None:
            with suppress(smtplib.SMTPException, OSError), cut_after(self._timeout, self.host):
                self.host.quit()
            self.host.close()
            self.host = None


def _said_something(host: smtplib.SMTP) -> bool:
    """Return whether a server said something unasked, as that it hangs up, or is gone."""
    if host.sock is None:
        return True
    with selectors.DefaultSelector() as ready:
        ready.register(host.sock, selectors.EVENT_READ)
        return bool(ready.select(0))


def _transact(
    host: smtplib.SMTP, sender: str, recipients: list[str], message: Message, kept: bool
) -> None:
    """Hand a message over; to a server that takes commands together, by two messages of ours.

    :param kept: whether this connection had one before.
    :raises smtplib.SMTPException: (or ``OSError``) where it was not taken.
    """
    data, options = message.as_bytes(), message.mail_options
    host.ehlo_or_helo_if_needed()
    if not host.has_extn("pipelining") or len(recipients) != 1 or options or message.rcpt_options:
        host.sendmail(sender, recipients, data, options, message.rcpt_options)
        return
    # RFC 2920: envelope and DATA together, and each answer is looked at.
    (recipient,) = recipients
    size = f" size={len(data)}" if host.has_extn("size") else ""
    envelope = (
        f"mail FROM:{smtplib.quoteaddr(sender)}{size}",
        f"rcpt TO:{smtplib.quoteaddr(recipient)}",
    )
    given = False
    try:
        host.send("\r\n".join((*envelope, "data", "")))
        answer = host.getreply()
        if answer[0] != 250:
            raise smtplib.SMTPSenderRefused(*answer, sender)
        answer = host.getreply()
        if answer[0] not in (250, 251):
            raise smtplib.SMTPRecipientsRefused({recipient: answer})
        answer = host.getreply()
        if answer[0] != 354:
            raise smtplib.SMTPDataError(*answer)
        given = True
        host.send(re.sub(rb"(?m)^\.", b"..", data) + b".\r\n")
        answer = host.getreply()
        if answer[0] != 250:
            raise smtplib.SMTPDataError(*answer)
    except Exception as error:
        # It may wait for the message: to hang up is the one way to send none.
        host.close()
        if kept and not given and _hung_up(error):
            raise HungUp("the mail server had hung up since the last message") from error
        raise


def _hung_up(error: Exception) -> bool:
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code == CLOSING
    return isinstance(error, OSError) and not isinstance(error, smtplib.SMTPRecipientsRefused)


def _raise(code: int, answer: bytes | str, error: smtplib.SMTPException) -> None:
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    if 500 <= code < 600:
        raise PermanentError(f"{code} {text}") from error
    raise Deferred(f"{code} {text}") from error
