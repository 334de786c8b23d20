"""What a channel is."""

from __future__ import annotations

import re
from typing import Protocol, runtime_checkable

from ..errors import ConfigurationError
from ..event import Notice

#: A channel's name stands in metrics' labels, in preferences and in the ledger.
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)
#: Seconds an attempt may take at the most: below the time a delivery is leased for one.
LONGEST = 30.0


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
        """Send a notice, within half a minute; what it returns from is sent.

        :raises PermanentError: where another try is useless; anything else raised is tried again.
        """


def channel_name(name: str) -> str:
    """Return a channel's name if it may be used.

    :raises ConfigurationError: where it is no short word.
    """
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise ConfigurationError(
        f"a channel's name is {str(name)[:60]!r}: expected 1 to 32 characters of a-z 0-9 _ -,"
        " a letter first"
    )


def channel_timeout(seconds: float) -> float:
    """Return a channel's time-out in seconds if it may be used.

    :raises ConfigurationError: where it is no number from 0.1 to 30.
    """
    if isinstance(seconds, (int, float)) and 0.1 <= seconds <= LONGEST:
        return float(seconds)
    raise ConfigurationError(
        f"a channel's timeout is {seconds!r}: expected seconds from 0.1 to {LONGEST:g}"
    )
