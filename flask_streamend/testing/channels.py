"""What stands for an application's channels on a stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..event import Notice
from ..notices.base import Channel, Checking
from ..notices.mail import MailChannel

if TYPE_CHECKING:
    from flask_mail import Message

Keep = Callable[[str, Notice, "Message | None"], None]


class Recorder:
    """Stands for a channel: does what comes before a send, and keeps what it was to send.

    :param keep: called with the channel's name, a notice, and the mail that it makes of it.
    :ivar fails: what each attempt raises; None: it sends.
    """

    def __init__(self, channel: Channel, keep: Keep) -> None:
        self.name = channel.name
        self.fails: Exception | None = None
        self._channel = channel
        self._keep = keep

    def check(self, notice: Notice) -> None:
        """See whether the notice is for this channel, as the channel itself does.

        :raises Skip: where it is not.
        """
        if isinstance(self._channel, Checking):
            self._channel.check(notice)

    def send(self, notice: Notice) -> None:
        """Keep a notice; a mail is made, so that what is wrong with it shows."""
        mail = self._channel.message(notice) if isinstance(self._channel, MailChannel) else None
        if self.fails is not None:
            raise self.fails
        self._keep(self.name, notice, mail)
