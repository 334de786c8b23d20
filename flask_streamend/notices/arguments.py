"""What a built-in channel is made with, checked where it is made."""

from __future__ import annotations

import re

from ..errors import ConfigurationError

#: A channel's name stands in metrics' labels, in preferences and in the ledger.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}", re.ASCII)
#: Seconds an attempt may take at the most: below the time a delivery is leased for one.
LONGEST = 30.0


def channel_name(name: str) -> str:
    """Return a channel's name if it may be used.

    :raises ConfigurationError: where it is no short word.
    """
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise ConfigurationError(
        f"a channel's name is {str(name)[:60]!r}: expected 1 to 32 of a-z 0-9 _ -, the first a"
        " letter or a digit"
    )


def channel_timeout(seconds: float) -> float:
    """Return a channel's time-out in seconds if it may be used.

    :raises ConfigurationError: where it is no number from 0.1 to 30.
    """
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if number and 0.1 <= seconds <= LONGEST:
        return float(seconds)
    raise ConfigurationError(
        f"a channel's timeout is {seconds!r}: expected seconds from 0.1 to {LONGEST:g}"
    )
