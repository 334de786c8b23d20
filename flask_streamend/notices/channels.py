"""The channels of an application: what it registered, by name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ConfigurationError
from ..event import CHANNEL_NAME
from ..settings import Settings
from .base import Channel
from .mail import MailChannel

#: Seconds an attempt may take at the most: with a worker's own budget below the job's time-out.
LONGEST = 120.0


def registered(chosen: Iterable[Channel] | None, settings: Settings) -> Mapping[str, Channel]:
    """Return channels by name: those an application chose, and e-mail unless one is named so.

    :raises ConfigurationError: where one can't be used; the text says which, and why.
    """
    found: dict[str, Channel] = {}
    for channel in _listed(chosen):
        wrong = _wrong(channel)
        if wrong is None and channel.name in found:
            wrong = f", named {channel.name!r} as another one: expected two names"
        if wrong is not None:
            kind = channel if isinstance(channel, type) else type(channel)
            raise ConfigurationError(f"StreamEnd(channels=[…]) has {kind.__name__}{wrong}")
        found[channel.name] = channel
    if MailChannel.name in found:
        return found
    return {MailChannel.name: MailChannel(settings), **found}


def _wrong(channel: Channel) -> str | None:
    """Return why a channel can't be used; None: it can."""
    name: object = getattr(channel, "name", None)
    send: object = getattr(channel, "send", None)
    longest: Any = getattr(channel, "longest", None)
    if isinstance(channel, type):
        return f" itself: expected one that was made, {channel.__name__}(…)"
    if not isinstance(name, str) or not re.fullmatch(CHANNEL_NAME, name):
        return (
            f", whose name is {name!r}: expected 1 to 32 of a-z 0-9 _ -, the first a letter or a"
            " digit"
        )
    if not callable(send):
        return f", named {name!r}: expected a method send(notice)"
    for method in ("send", "check", "prepare", "keep", "release"):
        if inspect.iscoroutinefunction(getattr(channel, method, None)):
            # It would return a promise, and count as sent.
            return f", named {name!r}, whose {method} is async: expected a method made with def"
    # That of e-mail follows from a setting.
    if longest is None or isinstance(channel, MailChannel):
        return None
    number = isinstance(longest, (int, float)) and not isinstance(longest, bool)
    if number and 0 < longest <= LONGEST:
        return None
    return (
        f", named {name!r}, whose longest is {longest!r}: expected the seconds an attempt may take,"
        f" over 0 and up to {LONGEST:g}"
    )


def _listed(chosen: Iterable[Channel] | None) -> list[Channel]:
    try:
        return list(chosen or ())
    except TypeError:
        raise ConfigurationError(
            f"StreamEnd(channels=…) is {type(chosen).__name__}: expected a list of channels"
        ) from None
