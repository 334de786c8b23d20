"""Deliveries as a store leases them: of one end by one channel, or of a host's digest.

An end's first delivery has its session's name; those of further channels ``SESSION--CHANNEL``. A
digest has ``digest-`` and its first member's. Times are milliseconds on the store's clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from .base import what_of


@dataclass(frozen=True)
class Delivery:
    """A notice's record in the ledger, as leased to one worker.

    :param id: the delivery's id.
    :param due: when the event ended; a digest: when its first member's notice may wait no more.
    :param attempts: attempts already made.
    """

    id: str
    event_id: str
    session: str
    due: int
    attempts: int
    clients: int = 0
    """Viewers who were still there at the end."""
    again: bool = False
    """Whether an alarm was set for it."""
    trace: str = ""
    """The context of its end's trace, where it has one."""
    tried: str = ""
    """The context of the attempt before, where that was traced."""
    started: int = 0
    """When its session began."""
    peak: int = 0
    unique_viewers: int | None = None
    channel: str = ""
    """What it goes by; empty: its host was not asked yet."""
    fresh: bool = True
    """Whether nobody attempted it yet."""
    digest: bool = False
    """Whether it is a digest of several ends; event and session are its first member's."""

    def what(self) -> dict[str, object]:
        """Return what a signal about this end carries."""
        return what_of(self.event_id, self.session, self.clients, self.due)


@dataclass(frozen=True)
class Member:
    """One end in a digest.

    :param id: its delivery's id.
    :param due: when the event ended.
    :param clients: viewers who were still there at the end.
    :param out: why it is left out; empty: it is told.
    """

    id: str
    event_id: str
    session: str
    due: int
    clients: int = 0
    started: int = 0
    peak: int = 0
    unique_viewers: int | None = None
    out: str = ""

    def what(self) -> dict[str, object]:
        """Return what a signal about this end carries."""
        return what_of(self.event_id, self.session, self.clients, self.due)


@dataclass(frozen=True)
class Share:
    """How one of an end's deliveries stands, where there are several.

    :param state: ``pending`` while it is open, else as in the ledger.
    """

    delivery: str
    channel: str
    state: str


@dataclass(frozen=True)
class Owing:
    """An end whose host is still to be told.

    :param left: milliseconds until it is due; negative: since.
    :param shares: every delivery, where it has several and one is settled.
    """

    left: int
    shares: tuple[Share, ...] = ()


@dataclass(frozen=True)
class Waits:
    """A digest that a delivery waits for.

    :param id: the digest's delivery.
    :param due: when it is told.
    :param left: milliseconds until then.
    :param made: whether this delivery is its first member.
    """

    id: str
    due: int
    left: int
    made: bool


def beside(session: str, channel: str) -> str:
    """Return the id of an end's delivery by a further channel."""
    return f"{session}--{channel}"
