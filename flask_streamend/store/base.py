"""The records a store is told and answers with.

Times are milliseconds on the store's clock unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

DeadAct = Literal["retry", "dismiss"]
Cause = Literal["", "emptied", "stopping"]
"""Why a session ends: it was ordered; its viewers left; its publisher stopped."""
GuestAct = Literal[
    "join", "seen", "leave", "expire", "in", "out", "publish", "unpublish", "lose", "renew"
]


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


#: In place of the most viewers: none came since, but a store that lost the session is to know it.
RESTORE = -1


@dataclass(frozen=True)
class Held:
    """How many viewers of an event one process holds.

    :param count: viewers; 0 where the last one left.
    :param session: the session it knows, or would begin if the event has none.
    :param delay: the event's grace period, in milliseconds.
    :param most: the most at once since the last report: who came and went in between was there.
        Or :data:`RESTORE`.
    :param age: milliseconds since the session began, for all this process knows.
    :param peak: the session's most viewers; 0 where no store has confirmed the session yet.
    :param left: milliseconds since the last of its viewers left, where there are none.
    :param unsure: the most at once since the last report that was answered: reports since may have
        been heard, or not.
    :param ago: how many reports ago it was said last that there was one of these; 0: in this one.
    :param trace: the context of the trace of an end that begins with this, as W3C's traceparent.
    """

    count: int
    session: str
    delay: int
    most: int = 0
    age: int = 0
    peak: int = 0
    left: int = 0
    unsure: int = 0
    ago: int = 0
    trace: str = ""
    names: tuple[str, ...] = ()
    """Viewers by name who came since the last report that was answered, hashed; a repeat does no
    harm, and who is left out comes in a later one."""


@dataclass(frozen=True)
class Reported:
    """What the store made of one event in a report.

    :param event_id: the event.
    :param change: what happened to its session.
    :param session: its session, empty where it has none.
    :param clients: its viewers, over all holders.
    :param due: when it ends if nobody comes back, or was stopped; None unless ending or stopped.
    :param started: when its session began.
    :param peak: most viewers at once in it.
    :param cause: why it ends, where it does.
    """

    event_id: str
    change: Change
    session: str
    clients: int
    due: int | None
    started: int = 0
    peak: int = 0
    cause: Cause = ""


@dataclass(frozen=True)
class Report:
    """The answer to a report.

    :param now: the store's time.
    :param events: what became of each event that was reported.
    :param known: False: the store did not know the holder and did nothing; report in full.
    :param epoch: then the name of this life of the store.
    :param came: viewers by name who came.
    :param went: viewers by name who went.
    """

    now: int
    events: tuple[Reported, ...] = ()
    known: bool = True
    came: int = 0
    went: int = 0
    epoch: str = ""


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
    trace: str = ""
    """The context of its trace, where it has one."""
    unique_viewers: int | None = None
    """Different viewers, of those who have a name; None: nobody had one."""

    def what(self) -> dict[str, object]:
        """Return what a signal about this end carries."""
        return what_of(self.event_id, self.session, self.clients, self.due) | {
            "started_at": self.started / 1000,
            "duration": max(0, self.due - self.started) / 1000,
            "peak": self.peak,
            "unique_viewers": self.unique_viewers,
        }


@dataclass(frozen=True)
class Over:
    """A session that was stopped or purged while processes may still hold viewers of it.

    :param at: when, on the store's clock.
    """

    event_id: str
    session: str
    change: Change
    at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Heartbeat:
    """The answer to a heartbeat.

    :param known: False: the store does not know the holder, or waits to hear of it after an
        outage; report in full.
    :param now: the store's time.
    :param epoch: names this life of the store: another one than before, and it was emptied.
    :param clients: viewers of all events.
    :param lapsed: holders whose lease lapsed: reap them.
    :param over: sessions stopped or purged since the last heartbeat.
    :param shared: events that another process came to hold too since then; None: too many to say.
    :param expired: events with guests whose time is up: expire them.
    :param ring: True: something is ready and nobody heard; ring.
    :param watch: whether the alarm for when no process is left is to be set, or removed; None:
        neither.
    """

    known: bool
    now: int
    epoch: str
    clients: int
    lapsed: tuple[str, ...]
    over: tuple[Over, ...]
    shared: tuple[str, ...] | None
    expired: tuple[str, ...]
    ring: bool
    watch: bool | None


@dataclass(frozen=True)
class Kept:
    """An end as a process kept it while the store was away, or after the store lost it.

    Its instants are distances from now, so that no clock but the store's is compared with itself.

    :param age: milliseconds since the session began.
    :param left: milliseconds until the end is due; negative: since it was.
    :param peak: most viewers at once.
    :param clients: viewers who were still there at the end.
    :param state: ``ending``, or a delivery's state.
    :param trace: the context of its trace, where it has one.
    :param delivery: the delivery, where it is not the end's first.
    :param cause: why it ends, where it is not told yet.
    """

    event_id: str
    session: str
    age: int
    left: int
    peak: int = 0
    clients: int = 0
    state: str = "ending"
    channel: str = ""
    error: str = ""
    attempts: int = 0
    trace: str = ""
    unique_viewers: int | None = None
    delivery: str = ""
    cause: Cause = ""

    @property
    def id(self) -> str:
        """Return the delivery's id, as the ledger has it."""
        return self.delivery or self.session


@dataclass(frozen=True)
class Record:
    """A notice's record in the ledger, as it is shown.

    :param state: ``pending``, ``sending``, ``retrying``, ``sent``, ``skipped``, ``dead`` or
        ``digested``.
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
    started_at: float = 0.0
    """When its session began, likewise."""
    duration: float = 0.0
    """Seconds from its session's first viewer to its end."""
    peak: int = 0
    unique_viewers: int | None = None


@dataclass(frozen=True)
class Look:
    """What an alarm sees before it wakes anybody.

    :param now: the store's time.
    :param ready: ends and deliveries whose time has come.
    :param waiting: True where something falls due at exactly the instant the alarm was set for,
        and that instant is still to come.
    :param paused: milliseconds until what would be ready is let go: a gap or a hold; else 0.
    :param epoch: names this life of the store, as in :class:`Heartbeat`.
    """

    now: int
    ready: int
    waiting: bool
    paused: int = 0
    epoch: str = ""


def what_of(event_id: str, session: str, clients: int, due: int) -> dict[str, object]:
    """Return what a signal about an end carries."""
    return {"event_id": event_id, "session": session, "clients": clients, "at": due / 1000}
