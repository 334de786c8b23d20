"""What really happened, which only the scheduler knows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

from flask_streamend.event import Notice
from flask_streamend.store.base import Change, Outcome, Over

from .brief import brief
from .mail import Sent
from .people import Contact, Decision, Viewer
from .scheduler import Clock, Life
from .silence import Silences

if TYPE_CHECKING:
    from .process import Process
    from .world import World


#: Seconds by which an end may be put back later than it was: a call that takes long.
LATE = 1.5


class Truth:
    """Keeps record.

    :ivar stops: when hosts stopped sessions.
    :ivar put: who put an end back into the store, as it lives now, and when first.
    :ivar every_put: the same, of all its lives and each time.
    :ivar alone: what stand-ins decided, and the instants of those ends.
    :ivar begins: when each of the store's lives was heard of first.
    :ivar silences: when the store, as it lives now, had heard of nobody, and when somebody came.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.viewers: dict[str, list[Viewer]] = defaultdict(list)
        self.sent: dict[str, list[Sent]] = defaultdict(list)
        self.decisions: dict[tuple[str, str], Decision] = {}
        self.recorded: dict[tuple[str, str], int] = {}
        self.put: dict[tuple[str, str], dict[Process, float]] = defaultdict(dict)
        self.every_put: dict[tuple[str, str], list[tuple[Process, float]]] = defaultdict(list)
        self.alone: dict[tuple[Process, str, str], tuple[int, Decision]] = {}
        self.stops: dict[tuple[str, str], float] = {}
        self.contacts: dict[Life, Contact] = defaultdict(Contact)
        self.silences = Silences(world)
        self.begins: dict[int, float] = {}
        self._number = 0

    @property
    def began(self) -> float:
        """The same of the store as it lives now."""
        return self.begins.get(self.world.server.life, 0.0)

    # Viewers.

    def came(self, event: str, process: Process) -> Viewer:
        """Note a viewer."""
        self._number += 1
        viewer = Viewer(self._number, event, process, self.world.scheduler.now)
        self.viewers[event].append(viewer)
        viewer.knowing.add(process)
        return viewer

    def everybody(self) -> Iterator[Viewer]:
        """Yield everybody who ever came."""
        for viewers in self.viewers.values():
            yield from viewers

    def watching(self, process: Process | None = None) -> list[Viewer]:
        """Return who watches now."""
        return [
            viewer
            for viewer in self.everybody()
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
        for viewer in self.everybody():
            viewer.heard = inf
        self.silences.clear()
        self.put.clear()
        self._unknown(life)

    def _unknown(self, who: object) -> None:
        for viewer in self.everybody():
            viewer.knowing.discard(who)

    def over(self, process: Process, over: Over) -> None:
        """Note that a process heard of a session's stop, of which it may hold viewers."""
        known = process.presence._known.get(over.event_id)
        decision = self.decisions.get((over.event_id, over.session))
        # They may all be gone again, unheard.
        gone = known is None and process.endings.owed.knows(over.session)
        if decision is None or not (gone or (known and known.session == over.session)):
            return
        for viewer in self.viewers[over.event_id]:
            here = viewer.process is process and viewer.closed >= decision.at
            if here and not (gone and viewer.heard < inf):
                viewer.over = True

    def stopped(self, event: str) -> None:
        """Note that the host stopped an event; its processes have not heard yet."""
        now = self.world.scheduler.now
        for viewer in self.viewers[event]:
            if viewer.heard <= now <= viewer.closed:
                viewer.over = True

    # Calls to the shared store.

    def calling(self, process: Any, name: str, args: tuple[Any, ...]) -> tuple[float, list[Viewer]]:
        """Note a call that is sent; returns what :meth:`called` is to know of that instant."""
        there: list[Viewer] = []
        if name == "report":
            there = [
                viewer
                for event in args[3]
                for viewer in self.viewers[event]
                if viewer.process is process and (viewer.closed == inf or viewer.first_heard == inf)
            ]
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
            self.begins.setdefault(life, now)
        self.silences.called(name, args, now)
        if name == "report" and answer.known:
            self._reported(process, life, args[3], answer, noted)
        elif name == "heartbeat" and args[0] and answer.known:
            self.contacts[process].renewed.append(now)
            self.contacts[process].beaten.append((now, noted[0]))
        elif name == "claim":
            for end in answer:
                self.decisions[end.event_id, end.session] = Decision(now, life, process)
        elif name == "finish" and answer is not None:
            stopped = args[1] is Change.STOPPED
            if stopped:
                self._decided(process, life, answer.event_id, answer.session, stopped=True)
                self.stops[answer.event_id, answer.session] = now
                self.stopped(answer.event_id)
        elif name == "reap":
            for known in self.world.processes:
                gone = args[0] not in self.world.server.store._holders
                if known.presence.holder == args[0] and gone:
                    self.contacts[known].reaped.append(now)
        elif name == "still_owed":
            self._settled(process, args[0], answer)
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
        over = {row.event_id for row in answer.events if row.change is Change.STOPPED}
        for viewer in there:
            one = held[viewer.event]
            if viewer.over and viewer.closed < made - one.age / 1000:
                continue  # gone before that session began
            viewer.heard = min(viewer.heard, now)
            viewer.first_heard = min(viewer.first_heard, now)
            uncounted = viewer.over and not one.count and one.most <= 0
            viewer.over = uncounted or viewer.event in over
        for row in answer.events:
            gone = row.event_id in held and not held[row.event_id].count
            for viewer in self.viewers[row.event_id]:
                if process in viewer.knowing and viewer.opened <= made:
                    viewer.knowing.add(life)
                    if row.clients and gone and viewer.closed <= made:
                        # Others are there: this process need know no more.
                        viewer.knowing.discard(process)

    def _settled(self, process: Process, asked: Any, still: set[str]) -> None:
        """Note that a process need know no more of ends: told, resumed, or of another name."""
        now, store = self.world.scheduler.now, self.world.server.store
        for event, session in asked:
            for viewer in self.viewers[event] if session not in still else ():
                # What the store knows nothing of, it can't have said that of.
                closed = (Clock.EPOCH + viewer.closed) * 1000
                ends = (e.due for e in store._ledger.values() if e.event_id == event)
                if viewer.closed < now and (
                    event in store._sessions or max(ends, default=0) >= closed
                ):
                    viewer.knowing.discard(process)

    def _put_back(self, process: Process, life: int, kept: Any) -> None:
        for end in kept:
            key, now = (end.event_id, end.session), self.world.scheduler.now
            self.put[key].setdefault(process, now)
            self.every_put[key].append((process, now))
            for viewer in self.viewers[end.event_id]:
                if process in viewer.knowing:
                    viewer.knowing.add(life)
            decision = self.decisions.get(key)
            there = end.session in self.world.server.store._ledger
            alone = decision is not None and decision.alone and decision.by is process
            if end.state == "ending" and alone and decision is not None and decision.life is None:
                # Nobody had tried to tell it: it is judged afresh, by this very call perhaps.
                del self.decisions[key]
                if there:
                    self._decided(process, life, end.event_id, end.session)
            if end.state == "sent":
                self._record(end.session, life)
            elif end.session in self.world.server.store._ledger:
                self._decided(process, life, end.event_id, end.session)

    def called_here(self, process: Process, name: str, args: tuple[Any, ...], answer: Any) -> None:
        """Note a call to a stand-in's store."""
        if self.world.trace is not None and name != "take":
            self.world.note(f"{process} standing in: {name}{brief(args)} -> {brief(answer)}")
        if name == "claim":
            for end in answer:
                decision = Decision(self.world.scheduler.now, None, process, alone=True)
                self.alone[process, end.event_id, end.session] = end.due, decision
                known = self.decisions.get((end.event_id, end.session))
                if known is None or known.life != self.world.server.life:
                    self.decisions[end.event_id, end.session] = decision

    def _decided(
        self, by: Process, life: int | None, event: str, session: str, stopped: bool = False
    ) -> None:
        known = self.decisions.get((event, session))
        if known is None or known.life != life:
            now = self.world.scheduler.now
            if known is None or (stopped and not known.stopped):
                known = Decision(now, life, by, stopped, alone=life is None)
            self.decisions[event, session] = replace(known, life=life)

    def _record(self, session: str, life: int) -> None:
        for event, sent in self.sent.items():
            if any(one.session == session for one in sent):
                self.recorded[event, session] = life

    def by_host(self, sent: Sent) -> bool:
        """Return whether a notice is of a stop; one that an emptied store got back included."""
        return sent.due <= self.stops.get((sent.event, sent.session), -inf) + LATE

    def due_alone(self, sent: Sent) -> float:
        """Return when an end was due, as the stand-in that decided it knew; else infinity."""
        decided = sent.decided
        if decided is None or not decided.alone:
            return inf
        due, _ = self.alone.get((decided.by, sent.event, sent.session), (None, None))
        return inf if due is None else due / 1000 - Clock.EPOCH

    # The mail server.

    def take(self, notice: Notice, process: Process, began: float) -> Sent:
        """Note a notice that the mail server took, and check that it may have."""
        world, key = self.world, (notice.event.id, notice.session)
        due, decided = self.alone.get((process, *key), (None, None))
        sent = Sent(
            notice.event.id,
            notice.session,
            notice.message_id,
            notice.due_at - Clock.EPOCH,
            began,
            world.scheduler.now,
            process,
            notice.stopped,
            decided if due == int(notice.due_at * 1000) else self.decisions.get(key),
        )
        world.note(f"{process.name}: TOLD {sent.event} {sent.session} due {sent.due:.3f}")
        world.promises.told(sent)
        self.sent[sent.event].append(sent)
        return sent
