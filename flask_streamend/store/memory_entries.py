"""What the store in memory keeps of deliveries."""

from __future__ import annotations

from dataclasses import dataclass, field

from .base import Record
from .bounds import SLACK_MS
from .deliveries import Member
from .memory_session import Session


@dataclass
class Entry:
    """A delivery; ``next_at`` is None once it is settled.

    :ivar put: it was put back: what this store knows of its session is not all.
    :ivar others: ids of the deliveries beside an end's first one.
    :ivar digest: the digest it waits for, or was told in.
    :ivar waits: when that is due.
    :ivar members: of a digest; no other delivery has any.
    :ivar whose: of a digest: its host and channel.
    """

    event_id: str
    session: Session
    due: int
    clients: int
    next_at: int | None
    state: str = "pending"
    attempts: int = 0
    channel: str = ""
    error: str = ""
    owner: str | None = None
    unknown: bool = False
    away: bool = False
    settled: int | None = None
    tried: str = ""
    again: bool = False
    put: bool = False
    others: list[str] = field(default_factory=list)
    digest: str = ""
    waits: int = 0
    members: list[Member] | None = None
    frozen: bool = False
    whose: tuple[str, str] = ("", "")

    @property
    def overdue_from(self) -> int:
        """Return when it was to be told."""
        return self.waits if self.state == "pending" and self.waits else self.due

    def later_than(self, due: int) -> bool:
        """Return whether this is a later end than one that was due then.

        Viewers were there after that: its session went on in a store that knew nothing of what was
        told. What was put back as told itself says nothing of that.
        """
        return not self.put and min(self.due, self.session.until) > due + SLACK_MS


def shown(id_: str, entry: Entry) -> Record:
    """Return a delivery as it is shown."""
    return Record(
        id=id_,
        event_id=entry.event_id,
        session=entry.session.id,
        channel=entry.channel,
        state=entry.state,
        attempts=entry.attempts,
        error=entry.error,
        due_at=entry.due / 1000,
        next_at=None if entry.next_at is None else entry.next_at / 1000,
        settled_at=None if entry.settled is None else entry.settled / 1000,
        started_at=entry.session.started / 1000,
        duration=max(0, entry.due - entry.session.started) / 1000,
        peak=entry.session.peak,
        unique_viewers=entry.session.unique,
    )
