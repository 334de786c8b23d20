"""A session, and a process that holds viewers of some, in the store in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from .base import Cause, Kept
from .sketch import Sketch


@dataclass
class Holder:
    """A process, with how many viewers it has of each event."""

    lease: int
    seq: int = 0
    held: dict[str, int] = field(default_factory=dict)


@dataclass
class Session:
    """A session that is not over.

    :ivar left: when somebody was seen to leave last.
    :ivar put: when it ends for all that those know who put its end back.
    :ivar unique: different viewers by name, as another store had seen them, or as it ended.
    :ivar met: viewers by name who were seen here.
    :ivar kept: it lasts while its publisher does, whoever watches.
    :ivar stopping: it ends when it is due, as its publisher stopped.
    :ivar emptied: it ends because viewers left.
    :ivar published: it has a publisher.
    """

    id: str
    started: int
    delay: int
    peak: int = 0
    trace: str = ""
    left: int = 0
    put: int = 0
    unique: int | None = None
    met: Sketch | None = None
    kept: bool = False
    stopping: bool = False
    emptied: bool = False
    published: bool = False

    @classmethod
    def of(cls, end: Kept, now: int, late: int) -> Session:
        """Return the session of an end that was kept, and was on its way for so long."""
        session = cls(end.session, now - end.age, max(0, end.left), end.peak, end.trace)
        session.put = now + end.left - late
        session.unique = end.unique_viewers
        session.stopping, session.emptied = end.cause == "stopping", end.cause == "emptied"
        return session

    @property
    def lasts(self) -> bool:
        """Return whether a publisher is there to end it, and nobody else has to."""
        return self.kept or (self.published and not self.peak)

    @property
    def cause(self) -> Cause:
        """Return why it ends, where it does."""
        return "stopping" if self.stopping else "emptied" if self.emptied else ""

    @property
    def unique_viewers(self) -> int | None:
        """Return how many different viewers it has had; None: nobody has a name."""
        return most(self.unique, None if self.met is None else self.met.count())

    @property
    def until(self) -> int:
        """Return when it ends at the earliest, whoever is there now."""
        return max(self.left + self.delay, self.put)

    def close(self) -> None:
        """Keep the number: who they were goes with the session."""
        self.unique, self.met = self.unique_viewers, None


def another(session: str) -> str:
    """Return the name that comes after a name: always the same."""
    return hashlib.sha1(session.encode()).hexdigest()[:16]  # noqa: S324 - a name


def meet(session: Session | None, names: Iterable[str]) -> None:
    """Note viewers by name in a session, where there is one."""
    if session is not None:
        for name in names:
            session.met = session.met or Sketch()
            session.met.add(name)


def most(one: int | None, other: int | None) -> int | None:
    """Return the greater: of what two stores have seen of one session, neither is the whole."""
    return max((n for n in (one, other) if n is not None), default=None)
