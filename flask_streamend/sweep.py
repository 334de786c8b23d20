"""The beat of a process: its lease, and what somebody must notice.

Every process that lives looks after those that don't: whoever beats next removes a dead process's
viewers, expires guests, and rings for what nobody heard. One command a beat, whatever is held.
"""

from __future__ import annotations

import time

from .contact import Contact
from .ending import Endings
from .errors import StoreError
from .observing import Observers
from .presence import Presence
from .store.base import Report
from .store.interface import Store
from .telemetry.logs import log

#: Seconds between two beats at the most: stopped streams are let go of within this.
BEAT = 2.0


class Sweep:
    """Beats for one process.

    :param presence: what this process holds.
    :param lease: seconds; three beats fit into it.
    """

    def __init__(
        self,
        store: Store,
        presence: Presence,
        endings: Endings,
        observers: Observers,
        contact: Contact,
        lease: float,
    ) -> None:
        self._store = store
        self._presence = presence
        self._endings = endings
        self._observers = observers
        self._contact = contact
        self._lease = int(lease * 1000)
        self._every = min(BEAT, lease / 3)
        self._next = 0.0
        self._since = 0
        self.clients_elsewhere = 0

    def tick(self) -> float:
        """Beat, if it is time; return the seconds until the next beat is."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._every
            try:
                self.beat()
            except StoreError as error:
                self._contact.lost(error)
        return max(0.0, self._next - time.monotonic())

    def beat(self) -> None:
        """Extend the lease, and do what the answer asks for.

        :raises StoreError: where the store does not answer.
        """
        presence = self._presence
        holder = presence.holder if presence.total() else ""
        answer = self._store.heartbeat(holder, self._lease, self._since)
        self._contact.back()
        # One millisecond back: what happened in the same one is told twice rather than never.
        self._since = answer.now - 1
        self.clients_elsewhere = max(0, answer.clients - presence.total())
        if holder and not answer.known:
            presence.reintroduce()
        for over in answer.over:
            presence.over(over, answer.now)
        for holder in answer.lapsed:
            report = self._store.reap(holder)
            if report.events:
                log.warning(
                    "A process died with viewers of %d events; they are counted no more",
                    len(report.events),
                )
            self._take_in(report)
        for event_id in answer.expired:
            self._take_in(self._store.guest("expire", event_id, "", 0, "", -1))
        if answer.ring:
            self._endings.ring_unheard()
        self._tell_counts()

    def _take_in(self, report: Report) -> None:
        self._endings.reported(report)
        self._observers.reported(report)

    def _tell_counts(self) -> None:
        """Tell viewers here what changed elsewhere, where a page asked to know."""
        wanted = self._presence.listening()
        if wanted:
            for status in self._store.status(wanted):
                self._presence.tell(status.event_id, status.clients)
