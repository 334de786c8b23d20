"""Why an attempt failed, in the few words that metrics and the ledger know."""

from __future__ import annotations

import smtplib
import socket
import ssl

from ..errors import PermanentError


class Deferred(OSError):
    """The server answered that it does not take this message now (4xx)."""


def reason_of(error: Exception) -> str:
    """Return ``timeout``, ``auth``, ``refused``, ``connect`` or ``other``."""
    if isinstance(error, PermanentError):
        return error.reason
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "auth"
    if isinstance(error, (Deferred, smtplib.SMTPResponseException)):
        return "refused"
    # Certificates too: nobody was reached whom we may talk to.
    away = (ConnectionError, socket.gaierror, ssl.SSLError, smtplib.SMTPException, OSError)
    return "connect" if isinstance(error, away) else "other"
