"""What a channel is."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from ..event import Notice
from ..telemetry.names import SKIP_REASONS


class Skip(Exception):
    """Raised by a channel that must not send, as where the application suppresses mail.

    :param reason: a value of ``streamend_skips_total``'s label ``reason``.
    :raises ValueError: where it is none: it is kept, and shown, as it is.
    """

    def __init__(self, reason: str) -> None:
        if reason not in SKIP_REASONS:
            known = ", ".join(SKIP_REASONS)
            raise ValueError(f"a Skip's reason is none of those that are counted: expected {known}")
        super().__init__(reason)
        self.reason = reason


@runtime_checkable
class Checking(Protocol):
    """A channel that can tell beforehand that a notice is not for it."""

    def check(self, notice: Notice) -> None:
        """Raise :class:`Skip` where this notice must not be sent; nothing is connected for it."""


@runtime_checkable
class Preparing(Protocol):
    """A channel that can get ready first, so that what fails then was certainly not sent."""

    def prepare(self) -> None:
        """Connect, or whatever comes before a notice leaves."""


@runtime_checkable
class Connected(Protocol):
    """A channel that keeps a connection from one notice to the next."""

    def keep(self) -> None:
        """Keep it beyond a release, for a worker's life."""

    def release(self) -> None:
        """Close it, unless it is to be kept: for now nothing more is sent."""


class Channel(Protocol):
    """A way to tell a host.

    Adding one is one class with a name and a ``send``. Several threads and processes may send at
    once. An attempt is to be over within 45 s, or within the seconds that an attribute ``longest``
    says: after that it counts as one that died, and another worker tries again.
    """

    name: str

    def send(self, notice: Notice) -> None:
        """Send a notice.

        :raises PermanentError: where another try is useless; anything else raised is tried again.
        """
