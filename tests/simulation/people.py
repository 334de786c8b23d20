"""Viewers, decisions, and how processes stand with the store, as the truth has them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .process import Process


@dataclass(eq=False)
class Viewer:
    """Somebody with a socket to a process.

    :ivar heard: when the store, as it lives now, was told of this viewer.
    :ivar first_heard: when any store was.
    :ivar let_go: whether the host's stop closed the socket.
    :ivar over: whether the session it watched is over, since the host stopped it or an honest limit
        had it told; until the store counts the viewer as of another one.
    :ivar knowing: who could still say that its leaving is to be told: its process, the store's
        lives.
    """

    number: int
    event: str
    process: Process
    opened: float
    closed: float = inf
    heard: float = inf
    first_heard: float = inf
    let_go: bool = False
    over: bool = False
    knowing: set[object] = field(default_factory=set)
    listens: bool = False

    @property
    def name(self) -> str:
        """Return who it is; some come twice, or with two devices."""
        return f"{self.number // 2:024x}"

    def __hash__(self) -> int:
        # Sets of viewers are gone through in an order; it is to be the same in each run.
        return self.number

    def __repr__(self) -> str:
        heard = f"heard {self.heard:.3f}" if self.heard < inf else "not heard"
        return (
            f"viewer {self.number} at {self.process}"
            f" from {self.opened:.3f} to {self.closed:.3f}, {heard}"
        )

    def stop(self, code: int) -> None:
        """Be told to go."""
        self.process.world.told_to_go(self, code)

    def tell(self, clients: int) -> None:
        """Hear how many watch."""


@dataclass
class Decision:
    """That a session is over, as a store decided it.

    :param life: of the shared store that knows it; None: none does.
    :param alone: whether a stand-in decided.
    """

    at: float
    life: int | None
    by: Process
    stopped: bool = False
    alone: bool = False


@dataclass
class Contact:
    """How a process stands with the shared store.

    :ivar renewed: when its lease was renewed, each time.
    :ivar reported: when its reports arrived, and when each was made.
    :ivar beaten: when its beats with a lease arrived, and when each was made.
    :ivar heard: when those of its beats arrived whose answer it heard.
    :ivar reaped: when the store forgot it, its lease having lapsed.
    :ivar troubles: when calls took long or failed, or it stood still: from, to.
    :ivar waits: when calls were made that are not over.
    :ivar failed: when calls were made that failed, since it was well.
    """

    renewed: list[float] = field(default_factory=list)
    reported: list[tuple[float, float]] = field(default_factory=list)
    beaten: list[tuple[float, float]] = field(default_factory=list)
    heard: list[float] = field(default_factory=list)
    reaped: list[float] = field(default_factory=list)
    troubles: list[tuple[float, float]] = field(default_factory=list)
    waits: set[float] = field(default_factory=set)
    failed: set[float] = field(default_factory=set)

    def beat_before(self, at: float) -> float:
        """Return when it last beat before an instant, of those beats whose answer it heard."""
        before = bisect_left(self.heard, at)
        return self.heard[before - 1] if before else -inf

    def spoke_of(self, viewer: Viewer, before: float) -> bool:
        """Return whether it reached the store after a viewer came, and before an instant.

        By a report; or by a second beat, before which it reports what there is.
        """
        beats = [arrived for arrived, made in self.beaten if made > viewer.opened]
        return (len(beats) > 1 and beats[1] < before) or any(
            arrived < before and made > viewer.opened for arrived, made in self.reported
        )

    def in_trouble(self, start: float, end: float) -> bool:
        """Return whether something kept it from reaching the store between two instants."""
        troubles = (*self.troubles, *((began, inf) for began in self.waits | self.failed))
        return any(a < end and b > start for a, b in troubles)

    def well(self, now: float) -> None:
        """Note that a report was answered."""
        self.troubles += ((began, now) for began in self.failed)
        self.failed.clear()

    def leased(self, at: float, lease: float) -> bool:
        """Return whether a store knew it at an instant."""
        before = bisect_left(self.renewed, at)
        return before > 0 and self.renewed[before - 1] + lease > at


def ends(viewers: Iterable[Viewer], delay: float) -> list[float]:
    """Return when an event's last viewer left, each time nobody came for a grace period."""
    ends: list[float] = []
    for viewer in sorted(viewers, key=lambda one: one.opened):
        if not ends or viewer.opened > ends[-1] + delay:
            ends.append(viewer.closed)
        else:
            ends[-1] = max(ends[-1], viewer.closed)
    return ends
