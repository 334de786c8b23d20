"""Why an attempt failed, in the few words that metrics and the ledger know."""

from __future__ import annotations

import smtplib
import socket
import ssl
from http.client import HTTPException

from ..errors import PermanentError


class Deferred(OSError):
    """The server answered that it does not take this message now (SMTP's 4xx, HTTP's 5xx).

    :param message: what it answered.
    :param reason: ``refused``, or ``auth`` where it does not know us.
    """

    def __init__(self, message: str, reason: str = "refused") -> None:
        super().__init__(message)
        self.reason = reason


class HungUp(ConnectionError):
    """A connection kept from an earlier notice was gone, and nothing of this one handed over."""


def reason_of(error: Exception) -> str:
    """Return ``timeout``, ``auth``, ``refused``, ``connect`` or ``other``."""
    if isinstance(error, (PermanentError, Deferred)):
        return error.reason
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "auth"
    if isinstance(error, smtplib.SMTPResponseException):
        return "refused"
    if type(error).__module__.partition(".")[0] == "urllib3":
        return _of_urllib3(error)
    # Certificates too: nobody was reached whom we may talk to.
    away = (ConnectionError, socket.gaierror, ssl.SSLError, smtplib.SMTPException, OSError)
    return "connect" if isinstance(error, (*away, HTTPException)) else "other"


def _of_urllib3(error: Exception) -> str:
    # Not before there is such an error: most applications send none of their notices over HTTP.
    from urllib3 import exceptions

    if isinstance(error, exceptions.MaxRetryError) and error.reason is not None:
        return reason_of(error.reason)
    if isinstance(error, exceptions.NewConnectionError):
        return "connect"  # to urllib3 a kind of time-out
    if isinstance(error, exceptions.TimeoutError):
        return "timeout"
    away = (exceptions.ProtocolError, exceptions.SSLError, exceptions.ProxyError)
    return "connect" if isinstance(error, away) else "other"
