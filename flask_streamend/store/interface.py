"""What a store does: the interface that both stores implement.

Times are milliseconds on the store's clock unless a name says otherwise. Every method may raise
:class:`~flask_streamend.errors.StoreError`, and none waits longer than a bounded time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from ..event import EventStatus
from .base import (
    Change,
    DeadAct,
    Ended,
    GuestAct,
    Heartbeat,
    Held,
    Kept,
    Look,
    Outcome,
    Record,
    Report,
)
from .bounds import DIGEST_MAX, NEWEST, QUIET_MS
from .deliveries import Delivery, Member, Owing, Waits
from .introduced import Introduced
from .overview import Overview
from .totals import Totals


class Store(Protocol):
    """Presence, ends and the ledger, each method one atomic act."""

    def report(
        self,
        holder: str,
        seq: int,
        lease: int,
        held: Mapping[str, Held],
        full: bool,
        knew: str = "",
        quiet: int = QUIET_MS,
        heard: int | None = None,
    ) -> Report:
        """Set how many viewers a holder has; an older ``seq`` than one seen changes nothing.

        :param full: the report names all that the holder has; what it does not name is 0.
        :param knew: as in :meth:`heartbeat`.
        :param quiet: as in :meth:`heartbeat`.
        :param heard: the store's time as the holder heard it last; None: just now. A report from
            before an outage, which was held up by it, does not end the wait for its holder.
        """

    def heartbeat(
        self, holder: str, lease: int, since: int, knew: str = "", quiet: int = QUIET_MS
    ) -> Heartbeat:
        """Extend a holder's lease and say what it should know or do.

        :param holder: empty for who holds nothing.
        :param since: the time of the last heartbeat, 0 at the first.
        :param knew: the epoch it was told last, empty at the first.
        :param quiet: milliseconds within which the caller is heard of again.
        """

    def reap(self, holder: str, goodbye: bool = False) -> Report:
        """Remove a holder whose lease lapsed, or which says goodbye, with what it held."""

    def guest(
        self,
        act: GuestAct,
        event_id: str,
        guest: str,
        ttl: int,
        session: str,
        delay: int,
        trace: str = "",
        keeps: bool = False,
    ) -> Report:
        """Note a viewer by name, or a publisher, as come or gone, or expire an event's guests.

        ``in`` and ``out`` are ``join`` and ``leave`` of which one may overtake the other.

        :param guest: who; nothing that may not be read in the store.
        :param ttl: milliseconds until the guest is gone by itself; to ``lose`` it: the instant it
            was noted for, so that who came anew meanwhile is not lost.
        :param session: the session to begin if the event has none.
        :param trace: the context of the trace of an end that begins by this.
        :param keeps: of a publisher: the session lasts until it stops, whoever watches.
        """

    def guests(self, prefix: str) -> Iterator[tuple[str, str, int]]:
        """Yield event, name and the instant it is noted for of the guests whose names begin so."""

    def turn(self, what: str, owner: str, lease: int) -> bool:
        """Return whether it is ``owner``'s turn at something one at a time does.

        :param lease: milliseconds after which another may, where the owner does not ask again.
        """

    def schedule(self, event_id: str, session: str, delay: int, trace: str = "") -> Report:
        """End an event after a delay if nobody is there then.

        :param trace: the context of the end's trace.
        """

    def finish(
        self, event_id: str, change: Change, trace: str = "", when_due: bool = False
    ) -> Ended | None:
        """End an event's session now, stopped or purged; None where it has none.

        One whose grace period is over was over then.

        :param trace: the context of the end's trace, where it has none yet.
        :param when_due: only where its publisher stopped, and its grace period is over.
        """

    def look(self, due: int | None, quiet: int = 0) -> Look:
        """Say what is ready, and whether something still waits for the instant ``due``.

        :param quiet: milliseconds within which the caller claims what is ready; 0: it does not say.
        """

    def claim(self, limit: int) -> list[Ended]:
        """End what is due, up to ``limit``; each end is claimed by one caller only.

        What is due is empty, or its publisher stopped. Where a store's ``by_viewers`` is False, a
        session whose viewers left is dropped instead.

        Nothing, while it waits for processes to report after an outage, or while notices are held.
        """

    def put_back(
        self, holder: str, kept: Sequence[Kept], seq: int = NEWEST, said: int | None = None
    ) -> int:
        """Put back ends that the store missed or lost; a repeat changes nothing.

        What ``holder`` has of these sessions is 0 by this, until it reports; nothing is done where
        it reported since. Returns how many the store did not know.

        :param seq: the number of the holder's last report.
        :param said: the store's time when this was said, as far as its sender knows; None: now.
        """

    def still_owed(self, ends: Sequence[tuple[str, str]]) -> dict[str, Owing]:
        """Return, of pairs of event and session, the sessions whose hosts are still to be told.

        An end is owed as long as one of its deliveries is open, or its digest's.
        """

    def traces(self, ends: Sequence[tuple[str, str]]) -> dict[str, tuple[str, bool]]:
        """Return, of pairs of event and session, each session's trace context and if it is over.

        Empty, where it has none: somebody came back. Sessions that aren't known are left out.
        """

    def hold(self, ms: int) -> int:
        """Hold every notice for a while, 0: no longer; return the milliseconds that were left."""

    def take(self, owner: str, lease: int, limit: int) -> list[Delivery]:
        """Lease deliveries whose time has come to ``owner``, oldest first."""

    def extend(self, owner: str, deliveries: Sequence[str], lease: int) -> None:
        """Extend the leases of what waits for its turn.

        Nothing changes of what ``owner`` lost, nor of what is being sent.
        """

    def split(self, delivery: str, owner: str, channels: Sequence[str], trace: str = "") -> str:
        """Make one delivery for each channel: this one becomes the first one's.

        They stay as they are: a repeat with other channels changes nothing. Returns the channel of
        this one; empty where the lease was lost.

        :param trace: the context of a trace for the others, where their end has none.
        """

    def group(
        self, delivery: str, owner: str, whose: str, channel: str, wait: int, most: int = DIGEST_MAX
    ) -> Waits | None:
        """Have a delivery wait for its host's digest; None: the lease was lost, or don't wait.

        :param whose: stands for the host; nothing that may not be read in the store.
        :param wait: milliseconds after the first member's end at which a digest is due.
        :param most: members of a digest; with one more, another begins.
        """

    def gather(
        self, digest: str, owner: str, lease: int, out: Mapping[str, str] | None = None
    ) -> list[Member] | None:
        """Return a digest's members, which are frozen by this; None where the lease was lost.

        :param lease: milliseconds for which the digest stays the owner's.
        :param out: members that are left out, with why; they are counted as skipped.
        """

    def sending(self, delivery: str, owner: str, lease: int, channel: str = "") -> bool:
        """Mark that an attempt begins; False where the lease was lost: then don't send.

        :param channel: what it goes by, from now on.
        """

    def settle(
        self,
        delivery: str,
        owner: str,
        channel: str,
        outcome: Outcome,
        error: str,
        retry: int,
        reason: str = "",
        took: int = -1,
        trace: str = "",
        attempt: str = "",
    ) -> int:
        """Record how an attempt went and return the milliseconds since the event's due time.

        The first success after failures of the channel as a whole (``connect``, ``timeout``,
        ``auth``) takes up at once what waits because of them.

        :param channel: what it went by; empty: nothing is counted by channel.
        :param retry: milliseconds until the next try, for what is to be tried again.
        :param reason: why it failed, in one word.
        :param took: milliseconds the attempt took; -1: there was none.
        :param trace: the id of the end's trace, for exemplars.
        :param attempt: the context of the attempt's trace, for the next attempt to link to.
        """

    def next_try(self) -> int | None:
        """Return in how many milliseconds an end or a delivery is ready; None: none waits."""

    def status(self, event_ids: Iterable[str]) -> list[EventStatus]:
        """Return how events stand, in the order asked."""

    def event_ids(self) -> Iterator[str]:
        """Yield the events that have a session; those that come or go meanwhile may be missed."""

    def dead(self, act: DeadAct, delivery: str) -> bool:
        """Take up a dead letter once more, or let it go; False where there is no such one."""

    def records(self, limit: int) -> list[Record]:
        """Return deliveries in the ledger: the open ones, then the settled ones, newest first."""

    def overview(self, events: int, deliveries: int) -> Overview:
        """Return what matters most of events and deliveries.

        Dead letters are looked for among the newest settled deliveries.

        :param events: of each kind at the most.
        :param deliveries: of each kind at the most.
        """

    def totals(self, busiest: int) -> Totals:
        """Return the system's figures, with up to ``busiest`` events by name."""

    def note_problem(self, code: str, there: bool) -> None:
        """Note that a problem is there, or that it is gone, for the health page of any process."""

    def introduce(self, who: str, facts: str, keep: int) -> int:
        """Keep what a process says of itself, and forget those that are gone.

        :param who: a holder, or a worker, whose name begins with ``worker:``.
        :param facts: what it says; empty: it is gone.
        :param keep: milliseconds for which a worker's word is kept; a holder's lasts as its lease.
        :returns: how many are kept now; the number is bounded.
        """

    def introduced(self) -> list[Introduced]:
        """Return each process that lives with what it said of itself: web processes first."""

    def put_canary(self, event_id: str, sealed: str, keep: int) -> None:
        """Keep a canary's event, which nobody can read here, for some milliseconds."""

    def canary(self, event_id: str) -> str | None:
        """Return a canary's event as it was sealed; None where there is none, or no more."""

    def forget_canary(self, event_id: str) -> None:
        """Forget a canary's event."""

    def add(self, counts: Mapping[str, int]) -> None:
        """Add to counters."""
