"""The mail server: does it greet, encrypt and let in, as it must for a notice?"""

from __future__ import annotations

import smtplib
import ssl
import time
from collections.abc import Iterator
from typing import Any

from flask_mail import Mail

from ..notices.smtp import SMTPConnection
from ..telemetry.logs import error_text
from .findings import Case, Finding, fine, wrong


def mail(case: Case) -> Iterator[Finding]:
    """Speak with the mail server as a notice would, up to the message."""
    if case.app.config.get("MAIL_DEFAULT_SENDER") is None:
        yield wrong("mail-sender", "a mail has no sender")
    if "mail" not in case.app.extensions:
        Mail(case.app)
    flask_mail: Any = case.app.extensions["mail"]
    if flask_mail.suppress:
        which = "MAIL_SUPPRESS_SEND" if "MAIL_SUPPRESS_SEND" in case.app.config else "TESTING"
        yield wrong("mail-suppressed", f"{which} is set", f"unset {which}, but in tests")
        return
    where = f"{flask_mail.server}:{flask_mail.port}"
    began = time.monotonic()
    try:
        with SMTPConnection(flask_mail, case.state.settings) as connection:
            connection.ready()
            took = (time.monotonic() - began) * 1000
    except (smtplib.SMTPException, OSError) as error:
        text = error_text(error)
        yield wrong(_code(error), f"{where} {text}")
        return
    did = ["greeted"]
    if flask_mail.use_tls or flask_mail.use_ssl:
        did.append("encrypted")
    if flask_mail.username and flask_mail.password:
        did.append("let in")
    yield fine("mail", f"{where} {', '.join(did)} in {took:.0f} ms")


def _code(error: Exception) -> str:
    if isinstance(error, (ssl.SSLError, smtplib.SMTPNotSupportedError)):
        return "mail-tls"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "mail-login"
    return "mail-away"
