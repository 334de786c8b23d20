"""A notice's mail as it is written: Flask-Mail's message, in lines of ASCII."""

from __future__ import annotations

import secrets
from email.charset import QP, Charset
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import Compat32
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from flask_mail import Message, sanitize_address

from ..event import Notice

#: RFC 5321, 4.5.3.1.6: a server may refuse a line of over 1,000 bytes, its end included.
LONGEST_LINE = 998
#: RFC 5322, 2.1.1: a line should be no longer.
LINE = 78


class _Lines(Compat32):
    """Writes a header that fits into its line as it is: looking where to fold costs most of it."""

    def fold_binary(self, name: str, value: Any) -> bytes:
        if isinstance(value, str) and value.isascii() and value.isprintable():
            line = f"{name}: {value}"
            if len(line) <= LINE:
                return line.encode("ascii") + b"\r\n"
        return super().fold_binary(name, value)


LINES = _Lines(linesep="\r\n")


@lru_cache(maxsize=32)
def written(address: Any) -> str:
    """Return an address as it goes into a header and an envelope; the last few are remembered."""
    return sanitize_address(address)


def _header(text: str, name: str) -> Any:
    """Return a header's text, encoded (RFC 2047) where it is not ASCII."""
    return text if text.isascii() else Header(text, "utf-8", header_name=name)


class NoticeMessage(Message):
    """Flask-Mail's message as plain text and HTML, in lines of ASCII.

    Flask-Mail's own may have 8 bit, and lines of any length; and it parses each header again as it
    writes it, which took half of the time of a notice. Nor is it made as Flask-Mail's is: for an id
    that is not a notice's that looks up this host's name, with no time-out.
    """

    def __init__(self, notice: Notice, host: str, sender: Any, body: str, html: str) -> None:
        self.subject, self.msgId = notice.subject, notice.message_id
        self.sender = "{} <{}>".format(*sender) if isinstance(sender, tuple) else sender
        self.recipients = [host]
        self.alts: dict[str, str] = {}
        self.body, self.html = body, html
        self.extra_headers = {"Auto-Submitted": "auto-generated"}
        self.date = self.reply_to = self.charset = None
        self.cc, self.bcc, self.attachments = [], [], []
        self.mail_options, self.rcpt_options = [], []

    def _message(self) -> MIMEMultipart:
        parts = MIMEMultipart("alternative", boundary=f"=_{secrets.token_hex(16)}")
        parts["Subject"] = _header(self.subject, "Subject")
        parts["From"] = written(self.sender)
        parts["To"] = ", ".join(map(written, self.recipients))
        parts["Date"] = formatdate(self.date, localtime=True)
        parts["Message-ID"] = self.msgId
        for name, value in (self.extra_headers or {}).items():
            parts[name] = value
        parts.attach(self._mimetext(self.body))
        parts.attach(self._mimetext(self.html, "html"))
        parts.policy = LINES
        return parts

    def _mimetext(self, text: str | None, subtype: str = "plain") -> MIMEText:
        text = text or ""
        if text.isascii() and all(len(line) <= LONGEST_LINE for line in text.split("\n")):
            return MIMEText(text, subtype, "us-ascii")
        charset = Charset("utf-8")
        charset.body_encoding = QP
        return MIMEText(text, subtype, charset)  # type: ignore[arg-type]
