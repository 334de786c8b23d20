"""What a store does: the interface both stores implement, and the records they answer with.

Times are milliseconds on the store's clock unless a name says otherwise. Every method may raise
:class:`~flask_streamend.errors.StoreError`, and none waits longer than a bounded time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol

from ..event import EventStatus

#: Upper bounds of the latency histogram, in seconds, which a store counts into at a settlement:
#: sub-second steps for the promise of 50 ms, then the back-off's steps up to an hour.
LATENCY_BOUNDS = (
    *(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
    *(300.0, 900.0, 3600.0),
)
LATENCY_BOUNDS_MS = tuple(int(bound * 1000) for bound in LATENCY_BOUNDS)

GuestAct = Literal["join", "leave", "expire"]


class Change(str, Enum):
    """What a report did to an event's session."""

    NONE = "none"
    STARTED = "started"
    RESUMED = "resumed"
    ENDING = "ending"
    STOPPED = "stopped"
    """The session that was reported had been stopped: its viewers are to be let go."""
    PURGED = "purged"
    """The session that was reported had been purged: report it anew, as another."""


class Outcome(str, Enum):
    """How an attempt at a delivery went, as the ledger is told."""

    SENT = "sent"
    SKIPPED = "skipped"
    FAILED = "failed"
    """Will be tried again."""
    DEAD = "dead"
    POSTPONED = "postponed"
    """Not attempted yet: what is needed to try was away. Will be tried again."""


@dataclass(frozen=True)
class Held:
    """How many viewers of an event one process holds.

    :param count: viewers; 0 where the last one left.
    :param session: the session to begin if the event has none.
    :param delay: the event's grace period, in milliseconds.
    :param most: the most at once since the last report: who came and went in between was there.
    """

    count: int
    session: str
    delay: int
    most: int = 0


@dataclass(frozen=True)
class Reported:
    """What the store made of one event in a report.

    :param event_id: the event.
    :param change: what happened to its session.
    :param session: its session, empty where it has none.
    :param clients: its viewers, over all holders.
    :param due: when it ends if nobody comes back; None unless ending.
    """

    event_id: str
    change: Change
    session: str
    clients: int
    due: int | None


@dataclass(frozen=True)
class Report:
    """The answer to a report.

    :param now: the store's time.
    :param events: what became of each event that was reported.
    :param known: False: the store did not know the holder and did nothing; report in full.
    """

    now: int
    events: tuple[Reported, ...] = ()
    known: bool = True


@dataclass(frozen=True)
class Ended:
    """An end, decided: its session is over and a delivery stands in the ledger.

    :param due: when it ended.
    :param started: when its session began.
    :param peak: most viewers at once.
    """

    event_id: str
    session: str
    due: int
    started: int
    peak: int
    clients: int = 0
    """Viewers who were still there: more than 0 where the stream was stopped."""


@dataclass(frozen=True)
class Over:
    """A session that was stopped or purged while processes may still hold viewers of it."""

    event_id: str
    session: str
    change: Change


@dataclass(frozen=True)
class Heartbeat:
    """The answer to a heartbeat.

    :param known: False: the store does not know the holder; report in full.
    :param now: the store's time.
    :param clients: viewers of all events.
    :param lapsed: holders whose lease lapsed: reap them.
    :param over: sessions stopped or purged since the last heartbeat.
    :param expired: events with guests whose time is up: expire them.
    :param ring: True: something is ready and nobody heard; ring.
    """

    known: bool
    now: int
    clients: int
    lapsed: tuple[str, ...]
    over: tuple[Over, ...]
    expired: tuple[str, ...]
    ring: bool


@dataclass(frozen=True)
class Delivery:
    """A notice's record in the ledger, as leased to one worker.

    :param id: the delivery's id.
    :param due: when the event ended.
    :param attempts: attempts already made.
    """

    id: str
    event_id: str
    session: str
    due: int
    attempts: int
    clients: int = 0
    """Viewers who were still there at the end."""


@dataclass(frozen=True)
class Record:
    """A notice's record in the ledger, as it is shown.

    :param state: ``pending``, ``sending``, ``retrying``, ``sent``, ``skipped`` or ``dead``.
    :param due_at: when the event ended, in seconds since the epoch.
    :param next_at: when it may be taken up next, likewise; None where it is settled.
    :param settled_at: when it was settled, likewise; None where it is not.
    :param error: the last error, with addresses masked, or why it was skipped.
    """

    id: str
    event_id: str
    session: str
    channel: str
    state: str
    attempts: int
    error: str
    due_at: float
    next_at: float | None
    settled_at: float | None


@dataclass(frozen=True)
class Look:
    """What an alarm sees before it wakes anybody.

    :param now: the store's time.
    :param ready: ends and deliveries whose time has come.
    :param waiting: True where something falls due at exactly the instant the alarm was set for,
        and that instant is still to come.
    """

    now: int
    ready: int
    waiting: bool


@dataclass(frozen=True)
class Totals:
    """The system's figures, read in one atomic act.

    :param clients: viewers over all events.
    :param live: events with viewers.
    :param ending: events in their grace period.
    :param overdue: ends and deliveries due over 5 s ago and not accepted.
    :param dead: dead letters.
    :param counters: every counter's value by its field.
    :param problems: problem codes that workers met, each with when, in seconds since the epoch.
    :param busiest: the events with most viewers and their numbers, busiest first.
    """

    now: int
    clients: int
    live: int
    ending: int
    overdue: int
    dead: int
    counters: Mapping[str, int]
    problems: Mapping[str, float]
    busiest: tuple[tuple[str, int], ...]


class Store(Protocol):
    """Presence, ends and the ledger, each method one atomic act."""

    def report(
        self, holder: str, seq: int, lease: int, held: Mapping[str, Held], full: bool
    ) -> Report:
        """Set how many viewers a holder has; an older ``seq`` than one seen changes nothing.

        :param full: the report names all that the holder has; what it does not name is 0.
        """

    def heartbeat(self, holder: str, lease: int, since: int) -> Heartbeat:
        """Extend a holder's lease and say what it should know or do.

        :param holder: empty for who holds nothing.
        :param since: the time of the last heartbeat, 0 at the first.
        """

    def reap(self, holder: str, goodbye: bool = False) -> Report:
        """Remove a holder whose lease lapsed, or which says goodbye, with what it held."""

    def guest(
        self, act: GuestAct, event_id: str, guest: str, ttl: int, session: str, delay: int
    ) -> Report:
        """Note a viewer by name as come or gone, or expire an event's guests.

        :param guest: who; nothing that may not be read in the store.
        :param ttl: milliseconds until the guest is gone by itself.
        :param session: the session to begin if the event has none.
        """

    def schedule(self, event_id: str, session: str, delay: int) -> Report:
        """End an event after a delay if nobody is there then."""

    def finish(self, event_id: str, change: Change) -> Ended | None:
        """End an event's session now, stopped or purged; None where it has none."""

    def look(self, due: int | None) -> Look:
        """Say what is ready, and whether something still waits for the instant ``due``."""

    def claim(self, limit: int) -> list[Ended]:
        """End what is due and empty, up to ``limit``; each end is claimed by one caller only."""

    def take(self, owner: str, lease: int, limit: int) -> list[Delivery]:
        """Lease deliveries whose time has come to ``owner``, oldest first."""

    def sending(self, delivery: str, owner: str, lease: int) -> bool:
        """Mark that an attempt begins; False where the lease was lost: then don't send."""

    def settle(
        self, delivery: str, owner: str, channel: str, outcome: Outcome, error: str, retry: int
    ) -> int:
        """Record how an attempt went and return the milliseconds since the event's due time.

        :param retry: milliseconds until the next try, for what is to be tried again.
        """

    def next_try(self) -> int | None:
        """Return in how many milliseconds an end or a delivery is ready; None: none waits."""

    def status(self, event_ids: Iterable[str]) -> list[EventStatus]:
        """Return how events stand, in the order asked."""

    def event_ids(self) -> Iterator[str]:
        """Yield the events that have a session; those that come or go meanwhile may be missed."""

    def records(self, limit: int) -> list[Record]:
        """Return deliveries in the ledger: the open ones, then the settled ones, newest first."""

    def totals(self, busiest: int) -> Totals:
        """Return the system's figures, with up to ``busiest`` events by name."""

    def note_problem(self, code: str, there: bool) -> None:
        """Note that a problem is there, or that it is gone, for the health page of any process."""

    def add(self, counts: Mapping[str, int]) -> None:
        """Add to counters."""
