"""The built-in channel: an e-mail, over Flask-Mail."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from datetime import datetime, timezone
from email.utils import parseaddr
from types import TracebackType
from typing import Any
from urllib.parse import quote

from flask import current_app, render_template
from flask_mail import Mail, Message

from .. import words
from ..errors import PermanentError
from ..event import Notice
from ..settings import Settings
from .base import Skip
from .figures import figures
from .message import NoticeMessage
from .recipient import check_address
from .smtp import SMTPConnection, ascii_domain, longest


def message_id(event_id: str, session: str, sender: str) -> str:
    """Return a Message-ID made from event and session, in the sender's domain.

    The same end always gets the same one (RFC 5322, 3.6.4), so that a repeat is recognisable.
    """
    digest = hashlib.sha256(f"{event_id}\n{session}".encode()).hexdigest()[:32]
    domain = ascii_domain(parseaddr(sender)[1].rpartition("@")[2]) or "localhost"
    return f"<streamend.{digest}@{domain}>"


def event_url(frontend_url: str, event_id: str) -> str:
    """Return the host's page of an event."""
    return f"{frontend_url}/events/{quote(event_id, safe='.:@~-_')}"


class MailChannel:
    """Sends notices by e-mail, several over one connection.

    Used as a context, it keeps its connection from the first send until the context ends.
    """

    name = "email"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.longest = longest(settings)
        self._connection: SMTPConnection | None = None
        self._stack = ExitStack()
        self._keep = False

    def __enter__(self) -> MailChannel:
        return self

    def keep(self) -> None:
        """Keep the connection beyond a context's end, for the next one; for a worker's life."""
        self._keep = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def release(self) -> None:
        """Close the connection, unless it is to be kept: for now nothing more is sent."""
        if not self._keep:
            self.close()

    def close(self) -> None:
        """Close the connection, if one is open."""
        self._connection = None
        self._stack.close()

    def check(self, notice: Notice) -> None:
        """See that the host has an address.

        :raises Skip: where there is none.
        """
        if not notice.event.host_email:
            raise Skip("no_address")

    def prepare(self) -> None:
        """Connect, where no connection is open: what fails now was certainly not sent.

        :raises OSError: (with smtplib's errors) where the server can't be reached.
        """
        mail = _mail()
        if not mail.suppress:
            try:
                self._connected(mail).ready()
            except OSError as error:
                if error.strerror:
                    # Which server this process is set up for can't be seen from another.
                    error.filename = f"{mail.server}:{mail.port}"
                raise

    def send(self, notice: Notice) -> None:
        """Send one notice.

        :raises Skip: where Flask-Mail is told to suppress mail, or the host has no address.
        :raises PermanentError: where the address can't be used, or the server refused for good.
        :raises OSError: (with smtplib's errors) where it may go better next time.
        """
        mail = _mail()
        if mail.suppress:
            raise Skip("suppressed")
        message = self.message(notice)
        try:
            self._connected(mail).send(message)
        except Exception:
            # What state the exchange is in is anybody's guess: the next one gets its own.
            self.close()
            raise

    def _connected(self, mail: Any) -> SMTPConnection:
        if self._connection is None:
            connection = SMTPConnection(mail, self._settings)
            self._connection = self._stack.enter_context(connection)
        return self._connection

    def message(self, notice: Notice) -> Message:
        """Return the mail of a notice.

        :raises Skip: where the host has no address.
        :raises PermanentError: where sender or address can't be used.
        """
        mail = _mail()
        event = notice.event
        self.check(notice)
        assert event.host_email is not None
        if not mail.default_sender:
            raise PermanentError("MAIL_DEFAULT_SENDER is not set: a notice has no sender", "other")
        several = len(notice.ends) > 1
        template = "digest" if several else "notice"
        host = check_address(event.host_email)
        shown = {
            "notice": notice,
            "title": notice.title,
            "subtitle": notice.subtitle,
            "figures": figures(notice) if self._settings.notice_figures else [],
            **(_digest_words(notice) if several else _notice_words(notice)),
        }
        body = render_template(f"streamend/{template}.txt", **shown).strip() + "\n"
        html = render_template(f"streamend/{template}.html", **shown)
        message = NoticeMessage(notice, host, mail.default_sender, body, html)
        if message.has_bad_headers():
            raise PermanentError("MAIL_DEFAULT_SENDER holds a line break", "refused")
        return message


def _notice_words(notice: Notice) -> dict[str, Any]:
    """Return what the templates of one end's notice are given beside its title."""
    shown = {"body": notice.body, "button": words.BUTTON, "url": notice.url}
    return {**shown, "event": notice.event}


def _digest_words(notice: Notice) -> dict[str, Any]:
    """Return what the templates of a digest are given beside its title: its ends."""
    ends = [
        {
            "name": words.one_line(end.event.name),
            "ended": datetime.fromtimestamp(end.due_at, timezone.utc),
            "how": words.HOW[end.stopped],
            "url": end.url,
        }
        for end in notice.ends
    ]
    return {"ends": ends}


def _mail() -> Any:
    """Return the application's Flask-Mail state; make one only where there is none."""
    if "mail" not in current_app.extensions:
        Mail(current_app._get_current_object())  # type: ignore[attr-defined]
    return current_app.extensions["mail"]


def sender_of(app_config: Any) -> str:
    """Return the address mail is sent from, or an empty text."""
    sender = app_config.get("MAIL_DEFAULT_SENDER") or ""
    return sender[1] if isinstance(sender, tuple) else str(sender)
