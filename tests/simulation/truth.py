"""What really happened, which only the scheduler knows."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

from flask_streamend.event import Notice
from flask_streamend.store.base import Change, Outcome

from .brief import brief
from .mail import Sent
from .scheduler import Clock

if TYPE_CHECKING:
    from .process import Process
    from .world import World


@dataclass(eq=False)
class Viewer:
    """Somebody with a socket to a process.

    :ivar heard: when the store, as it lives now, was told of this viewer.
    :ivar first_heard: when any store was.
    :ivar let_go: whether the host's stop ended it.
    """

    number: int
    event: str
    process: Process
    opened: float
    closed: float = inf
    heard: float = inf
    first_heard: float = inf
    let_go: bool = False
    listens: bool = False

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

    :param life: of the shared store; None: a stand-in decided.
    """

    at: float
    life: int | None
    by: Process
    stopped: bool = False


@dataclass
class Contact:
    """How a process stands with the shared store.

    :ivar renewed: when its lease was renewed, each time.
    :ivar reported: when its reports arrived, and when each was made.
    :ivar beaten: when its beats with a lease arrived.
    """

    renewed: list[float] = field(default_factory=list)
    reported: list[tuple[float, float]] = field(default_factory=list)
    beaten: list[float] = field(default_factory=list)

    def beat_before(self, at: float) -> float:
        """Return when it last beat before an instant."""
        before = bisect_left(self.beaten, at)
        return self.beaten[before - 1] if before else -inf

    def spoke_of(self, viewer: Viewer, before: float) -> bool:
        """Return whether it reached the store after a viewer came, and before an instant."""
        return self.beat_before(before) > viewer.opened + 0.2 or any(
            arrived < before and made > viewer.opened for arrived, made in self.reported
        )


class Truth:
    """Keeps record.

    :ivar silences: when the store, as it lives now, had heard of nobody, and when somebody came.
    :ivar knowing: who could still say of an event that it is to be told: processes, store's lives.
    :ivar lost: events whose end nobody could know of any more.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.viewers: dict[str, list[Viewer]] = defaultdict(list)
        self.sent: dict[str, list[Sent]] = defaultdict(list)
        self.decisions: dict[tuple[str, str], Decision] = {}
        self.recorded: dict[tuple[str, str], int] = {}
        self.contacts: dict[Process, Contact] = defaultdict(Contact)
        self.silences: list[tuple[float, float]] = []
        self.knowing: dict[str, set[object]] = defaultdict(set)
        self.lost: set[str] = set()
        self._heard_at = 0.0
        self._number = 0

    # Viewers.

    def came(self, event: str, process: Process) -> Viewer:
        """Note a viewer."""
        self._number += 1
        viewer = Viewer(self._number, event, process, self.world.scheduler.now)
        self.viewers[event].append(viewer)
        self.knowing[event].add(process)
        self.lost.discard(event)
        return viewer

    def watching(self, process: Process | None = None) -> list[Viewer]:
        """Return who watches now."""
        return [
            viewer
            for viewers in self.viewers.values()
            for viewer in viewers
            if viewer.closed == inf and process in (None, viewer.process)
        ]

    # What is known.

    def died(self, process: Process) -> None:
        """Note that a process is no more, with its viewers and what it knew."""
        now = self.world.scheduler.now
        for viewer in self.watching(process):
            viewer.closed = now
        self._unknown(process)

    def emptied(self, life: int) -> None:
        """Note that the store has lost everything."""
        for viewers in self.viewers.values():
            for viewer in viewers:
                viewer.heard = inf
        self.silences.clear()
        self._heard_at = self.world.scheduler.now
        self._unknown(life)

    def _unknown(self, who: object) -> None:
        for event, knowing in self.knowing.items():
            if who in knowing:
                knowing.remove(who)
                if not knowing:
                    self.lost.add(event)

    # Calls to the shared store.

    def calling(self, process: Any, name: str, args: tuple[Any, ...]) -> tuple[float, list[Viewer]]:
        """Note a call that is sent; returns what :meth:`called` is to know of that instant."""
        there: list[Viewer] = []
        if name == "report":
            there = [viewer for viewer in self.watching(process) if viewer.event in args[3]]
        return self.world.scheduler.now, there

    def called(
        self,
        process: Any,
        life: int,
        name: str,
        args: tuple[Any, ...],
        answer: Any,
        noted: tuple[float, list[Viewer]],
    ) -> None:
        """Note a call that arrived."""
        now = self.world.scheduler.now
        if self.world.trace is not None:
            self.world.note(f"{process}: {name}{brief(args)} -> {brief(answer)}")
        if name in ("report", "heartbeat"):
            if now - self._heard_at > self.world.quiet:
                self.silences.append((self._heard_at, now))
            self._heard_at = now
        if name == "report" and answer.known:
            self._reported(process, life, args[3], answer, noted)
        elif name == "heartbeat" and args[0] and answer.known:
            self.contacts[process].renewed.append(now)
            self.contacts[process].beaten.append(now)
        elif name == "claim":
            for end in answer:
                self._decided(process, life, end.event_id, end.session)
        elif name == "finish" and answer is not None:
            stopped = args[1] is Change.STOPPED
            if stopped:
                self._decided(process, life, answer.event_id, answer.session, stopped=True)
        elif name == "put_back":
            self._put_back(process, life, args[1])
        elif name == "settle" and args[3] is Outcome.SENT and answer >= 0:
            self._record(args[0], life)

    def _reported(
        self, process: Process, life: int, held: Any, answer: Any, noted: tuple[float, list[Viewer]]
    ) -> None:
        now, (made, there) = self.world.scheduler.now, noted
        contact = self.contacts[process]
        if held and not answer.events:
            return  # an older one than one seen
        contact.renewed.append(now)
        contact.reported.append((now, made))
        for viewer in there:
            viewer.heard = min(viewer.heard, now)
            viewer.first_heard = min(viewer.first_heard, now)
        for event in held:
            self.knowing[event].add(life)
        for row in answer.events:
            if row.clients and not held[row.event_id].count:
                # Others are there: this process need know no more.
                self.knowing[row.event_id].discard(process)

    def _put_back(self, process: Process, life: int, kept: Any) -> None:
        for end in kept:
            self.knowing[end.event_id].add(life)
            if end.state == "sent":
                self._record(end.session, life)
            elif end.state != "ending":
                self._decided(process, life, end.event_id, end.session)

    def called_here(self, process: Process, name: str, args: tuple[Any, ...], answer: Any) -> None:
        """Note a call to a stand-in's store."""
        if self.world.trace is not None and name != "take":
            self.world.note(f"{process} standing in: {name}{brief(args)} -> {brief(answer)}")
        if name == "claim":
            for end in answer:
                self._decided(process, None, end.event_id, end.session)

    def _decided(
        self, by: Process, life: int | None, event: str, session: str, stopped: bool = False
    ) -> None:
        known = self.decisions.get((event, session))
        if known is None or known.life != life:
            at = self.world.scheduler.now if known is None else known.at
            stopped = stopped or (known is not None and known.stopped)
            self.decisions[event, session] = Decision(at, life, by, stopped)

    def _record(self, session: str, life: int) -> None:
        for event, sent in self.sent.items():
            if any(one.session == session for one in sent):
                self.recorded[event, session] = life

    # The mail server.

    def take(self, notice: Notice, process: Process) -> Sent:
        """Note a notice that the mail server took, and check that it may have."""
        world = self.world
        sent = Sent(
            notice.event.id,
            notice.session,
            notice.message_id,
            notice.due_at - Clock.EPOCH,
            world.scheduler.now,
            process,
            notice.stopped,
        )
        world.note(f"{process.name}: TOLD {sent.event} {sent.session} due {sent.due:.3f}")
        world.promises.told(sent)
        self.sent[sent.event].append(sent)
        return sent
