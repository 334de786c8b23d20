"""Viewers by name, who have no socket here: joined, seen, gone, for any process to say."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import NamedTuple

from .contact import Contact
from .ending import Endings
from .errors import StoreError
from .observing import Observers
from .store.base import GuestAct
from .store.interface import Store
from .telemetry.end_spans import EndSpans

#: Acts kept for a store that is away; of more, the oldest is dropped and counted.
KEEP = 10_000
#: Acts that an end may begin with.
_GOING = frozenset(("leave", "expire", "out", "unpublish", "lose"))


class _Act(NamedTuple):
    act: GuestAct
    until: float
    session: str
    delay: int


class Guests:
    """Tells the store of viewers by name; while it is away, keeps the last act of each.

    An act sets a state, so that one whose answer was lost can be repeated.

    :param keeps: whether an event lasts while its publisher does, whoever watches.
    """

    def __init__(
        self,
        store: Store,
        endings: Endings,
        observers: Observers,
        contact: Contact,
        spans: EndSpans | None = None,
        keeps: bool = False,
    ) -> None:
        self._store = store
        self._keeps = keeps
        self._spans = spans or EndSpans()
        self._endings = endings
        self._observers = observers
        self._contact = contact
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], _Act] = OrderedDict()

    def note(
        self, act: GuestAct, event_id: str, guest: str, ttl: float, session: str, delay: int
    ) -> None:
        """Note what a viewer did.

        :param guest: who; nothing that may not be read in the store.
        :param ttl: seconds until the viewer is gone by itself.
        :param session: the session to begin if the event has none.
        :param delay: the event's grace period, in milliseconds.
        """
        one = _Act(act, time.monotonic() + ttl, session, delay)
        # One that waits to be repeated is not to come after this.
        if not self._contact.away and (event_id, guest) not in self._kept:
            try:
                self._send(event_id, guest, one)
            except StoreError as error:
                self._contact.lost(error)
            else:
                return
        with self._lock:
            self._kept[event_id, guest] = one
            self._kept.move_to_end((event_id, guest))
            if len(self._kept) > KEEP:
                self._kept.popitem(last=False)
                self._observers.failed("store")

    def catch_up(self) -> None:
        """Tell the store what it missed.

        :raises StoreError: where it does not answer; what is left is kept.
        """
        while self._kept:
            with self._lock:
                (event_id, guest), one = next(iter(self._kept.items()))
            self._send(event_id, guest, one)
            with self._lock:
                if self._kept.get((event_id, guest)) is one:
                    del self._kept[event_id, guest]

    def _send(self, event_id: str, guest: str, one: _Act) -> None:
        ttl = max(1, int((one.until - time.monotonic()) * 1000))
        self._tell(one.act, event_id, guest, ttl, one.session, one.delay)

    def expire(self, event_id: str) -> None:
        """Let those of an event's guests go whose time is up.

        :raises StoreError: where the store does not answer.
        """
        self._tell("expire", event_id, "", 0, "", -1)

    def lose(self, event_id: str, guest: str, until: int) -> None:
        """Let a guest go who turned out not to be there, unless it came anew.

        :param until: the instant the store had it noted for.
        :raises StoreError: where the store does not answer.
        """
        self._tell("lose", event_id, guest, until, "", -1)

    def renew(self, event_id: str, guest: str, ttl: float) -> None:
        """Have a guest stay who turned out to be there still.

        :param ttl: seconds until it is gone by itself.
        :raises StoreError: where the store does not answer.
        """
        self._tell("renew", event_id, guest, int(ttl * 1000), "", -1)

    def _tell(
        self, act: GuestAct, event_id: str, guest: str, ttl: int, session: str, delay: int
    ) -> None:
        end = self._spans.begin(event_id) if act in _GOING else None
        trace = "" if end is None else end.context
        report = self._store.guest(act, event_id, guest, ttl, session, delay, trace, self._keeps)
        self._endings.reported(report, None if end is None else {event_id: end})
        self._observers.reported(report)
