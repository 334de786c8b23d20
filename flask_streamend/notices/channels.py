"""The channels of an application: what it registered, by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..errors import ConfigurationError
from ..event import CHANNEL_NAME
from ..settings import Settings
from .base import Channel
from .mail import MailChannel


def registered(chosen: Iterable[Channel] | None, settings: Settings) -> Mapping[str, Channel]:
    """Return channels by name: those an application chose, and e-mail unless one is named so.

    :raises ConfigurationError: where one has no ``send``, no name that may be used, or another's.
    """
    found: dict[str, Channel] = {}
    for channel in _listed(chosen):
        name: object = getattr(channel, "name", None)
        what = f"StreamEnd(channels=[…]) has {type(channel).__name__}"
        if not isinstance(name, str) or not re.fullmatch(CHANNEL_NAME, name):
            raise ConfigurationError(
                f"{what}, whose name is {name!r}: expected 1 to 32 of a-z 0-9 _ -, the first"
                " a letter or a digit"
            )
        if not callable(getattr(channel, "send", None)):
            raise ConfigurationError(f"{what}, named {name!r}: expected a method send(notice)")
        if name in found:
            raise ConfigurationError(f"{what}, named {name!r} as another one: expected two names")
        found[name] = channel
    if MailChannel.name in found:
        return found
    return {MailChannel.name: MailChannel(settings), **found}


def _listed(chosen: Iterable[Channel] | None) -> list[Channel]:
    try:
        return list(chosen or ())
    except TypeError:
        raise ConfigurationError(
            f"StreamEnd(channels=…) is {type(chosen).__name__}: expected a list of channels"
        ) from None
