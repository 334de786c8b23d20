"""What a channel is."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from ..event import Notice


class Skip(Exception):
    """Raised by a channel that must not send, as where the application suppresses mail.

    :param reason: a value of ``streamend_skips_total``'s label ``reason``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@runtime_checkable
class Preparing(Protocol):
    """A channel that can get ready first, so that what fails then was certainly not sent."""

    def prepare(self) -> None:
        """Connect, or whatever comes before a notice leaves."""


class Channel(Protocol):
    """A way to tell a host.

    Adding one is one class with a name and a ``send``.
    """

    name: str

    def send(self, notice: Notice) -> None:
        """Send a notice.

        :raises PermanentError: where another try is useless; anything else raised is tried again.
        """
