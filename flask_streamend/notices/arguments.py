"""What a built-in channel is made with, checked where it is made."""

from __future__ import annotations

import re
from typing import Any

from ..errors import ConfigurationError
from ..event import CHANNEL_NAME

#: Seconds an attempt may take at the most: below the time a delivery is leased for one.
LONGEST = 30.0


def one_or_more(value: object) -> list[Any]:
    """Return what may be one or several as a list; None, as of a variable that is not set: none."""
    if isinstance(value, (list, tuple)):
        return list(value)
    return [] if value is None else [value]


def channel_name(name: str) -> str:
    """Return a channel's name if it may be used.

    :raises ConfigurationError: where it is no short word.
    """
    if isinstance(name, str) and re.fullmatch(CHANNEL_NAME, name):
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
