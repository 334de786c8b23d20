"""The beat of a process: its lease, and what somebody must notice.

Every process that lives looks after those that don't: whoever beats next removes a dead process's
viewers, expires guests, and rings for what nobody heard. One command a beat, whatever is held. It
also finds out that the store is back, or was emptied, and has everything put back.
"""

from __future__ import annotations

import time

from .contact import Contact
from .ending import Endings
from .errors import StoreError
from .guests import Guests
from .observing import Observers
from .presence import QUIET, Presence
from .standin import StandIn
from .store.base import Heartbeat, Report
from .store.interface import Store
from .telemetry.end_spans import EndSpans
from .telemetry.logs import log
from .telemetry.tally import Tally

#: Seconds between two beats at the most: stopped streams are let go of within this.
BEAT = 2.0
#: Seconds between two looks whether a store that was away is back.
RETRY = 0.5
#: Ends put back at a time.
AT_ONCE = 500


class Sweep:
    """Beats for one process.

    :param presence: what this process holds.
    :param stand_in: what told hosts while the store was away; None: it is never away.
    :param guests: viewers by name, whose acts are kept while the store is away.
    :param lease: seconds; three beats fit into it.
    :param spans: traces ends.
    :ivar holding: whether this process may hold viewers, and so has a lease; a worker has none.
    """

    def __init__(
        self,
        store: Store,
        presence: Presence,
        endings: Endings,
        observers: Observers,
        contact: Contact,
        stand_in: StandIn | None,
        guests: Guests,
        tally: Tally,
        lease: float,
        spans: EndSpans | None = None,
    ) -> None:
        self._store = store
        self._spans = spans or EndSpans()
        self._presence = presence
        presence.put_back = self._put_back
        self._endings = endings
        self._observers = observers
        self._contact = contact
        self._stand_in = stand_in
        self._guests = guests
        self._tally = tally
        self._lease = int(lease * 1000)
        self._every = min(BEAT, lease / 3)
        self._next = 0.0
        self._began = 0.0
        self._since = 0
        # Whether the alarm is set that looks after this process's viewers when nobody else does.
        self._watched = False
        self.holding = True
        self.clients_elsewhere = 0

    def tick(self) -> float:
        """Beat, if it is time; return the seconds until the next beat is."""
        now = time.monotonic()
        if self._contact.away:
            # Sooner than a beat: what one lost request had to say is then heard within the grace.
            self._next = min(self._next, self._began + RETRY)
        elif self.holding and not self._watched and self._presence.total():
            # The first viewer: nobody might look after them if this process died before its beat.
            self._next = now
        if now >= self._next:
            self._began, self._next = now, now + self._every
            try:
                self.beat()
            except StoreError as error:
                self._contact.lost(error)
        wait = min(self._every, RETRY) if self._contact.away else self._every
        return max(0.0, min(self._next, self._began + wait) - time.monotonic())

    def beat(self) -> None:
        """Extend the lease, and do what the answer asks for.

        :raises StoreError: where the store does not answer.
        """
        presence = self._presence
        away, holds = self._contact.away, presence.total() > 0
        if not away:
            # A lease is never newer than the reports: a gap ends when all leases are new.
            presence.flush()
        holder = presence.holder if self.holding and not away else ""
        # A worker beats in RQ's time, however short the lease.
        quiet = presence.quiet if self.holding else int(QUIET * 1000)
        answer = self._store.heartbeat(holder, self._lease, self._since, presence.epoch, quiet)
        presence.heard.hear(answer.now)
        # Another thread may have lost contact meanwhile, and kept changes for when it is back.
        self._settle_in(answer, self._contact.away, unknown=bool(holder) and not answer.known)
        # One millisecond back: what happened in the same one is told twice rather than never.
        self._since = answer.now - 1
        self._watched = holds or (self._watched and answer.watch is not False)
        self.clients_elsewhere = max(0, answer.clients - presence.total())
        for over in answer.over:
            presence.over(over, answer.now)
        presence.shared(answer.shared)
        self._look_after(answer)
        self._tell_counts()

    def _settle_in(self, answer: Heartbeat, away: bool, unknown: bool) -> None:
        """Put everything back where the store was away, was emptied or reaped this process."""
        presence, emptied = self._presence, self._presence.epoch not in ("", answer.epoch)
        if away or emptied or unknown:
            presence.come_back(self.holding, emptied)
        if emptied:
            log.warning(
                "The store is another one, or was emptied; what this process knew was put back"
            )
            self._endings.arm_anew(answer.now)
        presence.epoch = answer.epoch
        self._contact.back()
        self._guests.catch_up()
        if self._stand_in is not None and (over := self._stand_in.finished()):
            self._store.put_back(presence.holder, over, presence.seq, presence.heard.now())
            self._count_here()
            self._stand_in.settled(over)

    def _put_back(self, emptied: bool) -> None:
        presence, owed = self._presence, self._endings.owed
        here = [] if self._stand_in is None else self._stand_in.hand_back()
        # A store that lost nothing knows better what became of an end it had confirmed.
        kept = here + owed.kept() if emptied else here
        for start in range(0, len(kept), AT_ONCE):
            some = kept[start : start + AT_ONCE]
            self._store.put_back(presence.holder, some, presence.seq, presence.heard.now())
        for end in here:
            owed.keep(end)
        if self._stand_in is not None:
            self._count_here()
            self._stand_in.handed_over(here)

    def _count_here(self) -> None:
        if self._stand_in is not None:
            for field, value in self._stand_in.counts().items():
                self._tally.add(field, value)

    def _look_after(self, answer: Heartbeat) -> None:
        """Notice what nobody else might."""
        for holder in answer.lapsed:
            report = self._store.reap(holder)
            if report.events:
                log.warning(
                    "A process died with viewers of %d events; they are counted no more",
                    len(report.events),
                )
            self._take_in(report)
        for event_id in answer.expired:
            self._guests.expire(event_id)
        if answer.ring:
            self._endings.ring_unheard()
        if answer.watch is not None:
            self._endings.watch(self._lease if answer.watch else 0)
        if traced := self._spans.to_ask():
            self._spans.learn(traced, self._store.traces(traced))
        owed = self._endings.owed
        if asked := owed.to_ask():
            since = time.monotonic()
            still = self._store.still_owed(asked)
            if self._store.look(None).epoch != self._presence.epoch:
                # Emptied since it answered the beat: it owes nobody anything, as it knows nothing.
                return
            owed.learn([session for _, session in asked], still, since)
            self._endings.let_go([session for _, session in asked if session not in still])

    def _take_in(self, report: Report) -> None:
        self._endings.reported(report)
        self._observers.reported(report)

    def _tell_counts(self) -> None:
        """Tell viewers here what changed elsewhere, where a page asked to know."""
        wanted = self._presence.listening()
        if wanted:
            for status in self._store.status(wanted):
                self._presence.tell(status.event_id, status.clients)
