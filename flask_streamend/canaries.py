"""Canaries: made-up events, sent by an operator through the whole real path to a mailbox of theirs.

A canary's event, with the address, lies sealed in the store for as long as it flies. Only who has
the application's keys can make one. Its id is reserved: a canary that nobody can open, or that is
over, is no event at all. The application is never asked for one, or it might name a real host.
"""

from __future__ import annotations

import re
import secrets
import time

from .event import Event
from .sealing import Sealer
from .store.interface import Store

#: What the event ids of canaries begin with.
PREFIX = "canary:"
_ID = re.compile(PREFIX + "[0-9a-f]{16}", re.ASCII)
#: Whose event it is.
HOST = "operator"
#: A sealed text that is no canary's is not taken for one.
_PURPOSE = "canary"
#: Seconds of the grace period.
DELAY = 1.0


def is_canary(event_id: str) -> bool:
    """Return whether an event id is a canary's."""
    return _ID.fullmatch(event_id) is not None


class Canaries:
    """The canaries of one application.

    :param sealer: with the keys that the shell, the web processes and the workers share.
    """

    def __init__(self, store: Store, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer

    def make(self, name: str, address: str, seconds: float) -> Event:
        """Make a canary, and have every process know it for some seconds.

        :param name: the event's name, as the mail has it.
        :param address: where the mail goes.
        :raises StoreError: where the store does not answer.
        """
        event_id = PREFIX + secrets.token_hex(8)
        till = time.time() + seconds
        sealed = self._sealer.seal(_PURPOSE, event_id, name, address, str(till))
        self._store.put_canary(event_id, sealed, int(seconds * 1000))
        return _event(event_id, name, address)

    def find(self, event_id: str) -> Event | None:
        """Return a canary that flies; None where it does not.

        :raises StoreError: where the store does not answer.
        """
        sealed = self._store.canary(event_id)
        values = None if sealed is None else self._sealer.unseal(sealed)
        if values is None or len(values) != 5 or values[:2] != (_PURPOSE, event_id):
            return None
        *_, name, address, till = values
        # Its key expires too; but a key can be written again by who can't seal.
        return _event(event_id, name, address) if time.time() < float(till) else None

    def forget(self, event_id: str) -> None:
        """Have nobody know it any more: what was not told by now is not.

        :raises StoreError: where the store does not answer.
        """
        self._store.forget_canary(event_id)


def _event(event_id: str, name: str, address: str) -> Event:
    return Event(event_id, name, HOST, address, delay=DELAY)
