"""A history: acts drawn at random, then everything heals, everybody leaves, and all is checked."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from ..apps.twins import Starting
from .world import MakeStore, World, simulated

#: Seconds a healed system may take, beside lease and delay, to tell all and forget all: attempts
#: that a dead process handed over stay its own for two minutes.
REST = 400.0


class History:
    """One history.

    :param seed: decides everything.
    :param trace: a list to write the trace to; None: nobody reads.
    :param store: makes the shared store, of a clock.
    """

    def __init__(
        self, seed: int, trace: list[str] | None = None, store: MakeStore = Starting
    ) -> None:
        self.world = world = World(seed, trace, store)
        random = world.random
        self.events = [f"jam{number}" for number in range(random.choice((1, 2, 2, 4)))]
        self.acts = random.randint(100, 400)
        self.pause = random.choice((0.05, 0.2, 0.5))
        self._themes()

    def _themes(self) -> None:
        """Draw what goes wrong in this history, and how often."""
        random, world = self.world.random, self.world
        often: dict[Callable[[], None], float] = {
            self.join: 10,
            self.leave: 10,
            self.flash: 2,
            self.wait: 3,
        }
        faults: list[dict[Callable[[], None], float]] = [
            {self.kill: 0.5, self.start: 0.5},
            {self.stop: 0.7, self.start: 0.7},
            {self.kill_worker: 0.7, self.start_worker: 0.7},
            {self.away: 0.5, self.hang: 0.3},
            {self.restart: 0.3, self.lose: 0.5},
            {self.cut: 0.6, self.pause_process: 0.3},
            {self.mail: 0.5},
            {self.end: 0.5},
        ]
        for fault in faults:
            if random.random() < 0.4:
                often |= fault
        self._often = often
        weather, chances = world.weather, world.queue.chances
        if random.random() < 0.5:
            for name in ("slow", "lost", "unanswered", "late", "repeated"):
                setattr(weather, name, random.choice((0.0, 0.0, 0.005, 0.02)))
        if random.random() < 0.5:
            chances.lost, chances.twice = random.choice((0.0, 0.2, 1.0)), 0.1
            chances.late, chances.scheduler = 0.2, random.random() < 0.8
        if random.random() < 0.3:
            world.loader_fails = 0.1
            world.mail_slow, world.mail_unanswered = 0.3, random.choice((0.0, 0.05))

    # Acts.

    def join(self) -> None:
        """Have a viewer come, mostly where few are."""
        world = self.world
        if world.processes and len(world.truth.watching()) < 6:
            world.join(world.random.choice(self.events), world.random.choice(world.processes))

    def leave(self) -> None:
        """Have a viewer go."""
        watching = self.world.truth.watching()
        if watching:
            self.world.leave(self.world.random.choice(watching))

    def flash(self) -> None:
        """Have a viewer come and go, or go and come."""
        world = self.world
        watching = world.truth.watching()
        if watching and world.random.random() < 0.5:
            viewer = world.random.choice(watching)
            world.leave(viewer)
            if world.processes:
                world.join(viewer.event, world.random.choice(world.processes))
        elif world.processes:
            event, process = world.random.choice(self.events), world.random.choice(world.processes)
            world.leave(world.join(event, process))

    def wait(self) -> None:
        """Have nothing happen for a while: about as long as something falls due."""
        world, random = self.world, self.world.random
        world.scheduler.run(
            world.scheduler.now
            + random.choice((world.delay, world.lease, random.uniform(0, 3), world.delay / 2))
            + random.uniform(-0.01, 0.05)
        )

    def kill(self) -> None:
        """Kill a web process."""
        if self.world.processes:
            self.world.kill(self.world.random.choice(self.world.processes))

    def stop(self) -> None:
        """Stop a web process gracefully."""
        if self.world.processes:
            self.world.stop(self.world.random.choice(self.world.processes))

    def start(self) -> None:
        """Start a web process."""
        if len(self.world.processes) < 4:
            process = self.world.start_process()
            self.world.note(f"{process.name} starts")

    def kill_worker(self) -> None:
        """Kill a worker."""
        if self.world.workers:
            self.world.kill(self.world.random.choice(self.world.workers))

    def start_worker(self) -> None:
        """Start a worker."""
        if len(self.world.workers) < 3:
            self.world.start_worker()

    def _for_a_while(self, undo: Callable[[], None]) -> None:
        random = self.world.random
        longest = random.choice((1.0, 6.0, 6.0, 25.0))
        self.world.scheduler.after(random.uniform(0.0, longest), undo)

    def away(self) -> None:
        """Have the store's server away for a while; it keeps what it has."""
        server = self.world.server
        if server.up:
            server.away = True
            self.world.note("the store is away")
            self._for_a_while(self._back)

    def _back(self) -> None:
        if self.world.server.away:
            self.world.server.away = False
            self.world.server.started()
            self.world.note("the store is back")

    def lose(self) -> None:
        """Have the store's server away for a while, and come back empty."""
        if self.world.server.up:
            self.away()
            self.world.empty()

    def restart(self) -> None:
        """Have the store emptied in an instant."""
        if self.world.server.up:
            self.world.empty()
            self.world.server.started()

    def hang(self) -> None:
        """Have the store's server hang for a while."""
        server = self.world.server
        if server.up:
            server.hangs = True
            self.world.note("the store hangs")
            self._for_a_while(lambda: server.go_on() if server.hangs else None)

    def cut(self) -> None:
        """Cut one process off for a while."""
        lives = (*self.world.processes, *self.world.workers)
        if lives:
            life = self.world.random.choice(lives)
            life.line.cut = True
            self.world.note(f"{life.name} is cut off")

            def undo() -> None:
                life.line.cut = False
                self.world.note(f"{life.name} is not cut off")

            self._for_a_while(undo)

    def pause_process(self) -> None:
        """Have one process stand still for a while."""
        lives = (*self.world.processes, *self.world.workers)
        if lives:
            life, world = self.world.random.choice(lives), self.world
            until = world.scheduler.now + world.random.uniform(0.0, 1.2 * world.lease)
            life.paused_until = max(life.paused_until, until)
            world.truth.contacts[life].troubles.append((world.scheduler.now, until))
            world.note(f"{life.name} stands still until {until:.3f}")

    def mail(self) -> None:
        """Have the mail server away for a while."""
        self.world.mail_away = True
        self.world.note("the mail server is away")

        def undo() -> None:
            self.world.mail_away = False

        self._for_a_while(undo)

    def end(self) -> None:
        """Have a host stop a stream."""
        world = self.world
        if world.processes:
            process, event = world.random.choice(world.processes), world.random.choice(self.events)
            world.note(f"the host of {event} stops it at {process.name}")
            process.spawn(lambda: process.end_event(event))

    # All of it.

    def run(self) -> str | None:
        """Run, and return how a promise was broken; None: none was."""
        with simulated(self.world):
            self._run()
        return self.world.failure

    def _run(self) -> None:
        world, random, scheduler = self.world, self.world.random, self.world.scheduler
        world.server.started()
        for _ in range(random.choice((1, 2, 2, 3))):
            world.start_process()
        for _ in range(random.choice((1, 2))):
            world.start_worker()
        acts, weights = list(self._often), list(self._often.values())
        for act in random.choices(acts, weights, k=self.acts):
            scheduler.run(scheduler.now + random.expovariate(1 / self.pause))
            if scheduler.stopped:
                return
            act()
            if world.server.up:
                world.promises.balance()
        self._rest()

    def _rest(self) -> None:
        world, scheduler = self.world, self.world.scheduler
        world.note("everything heals")
        world.heal()
        if not world.processes:
            world.start_process()
        if not world.workers:
            world.start_worker()
        scheduler.run(scheduler.now + world.random.uniform(0.0, 2 * world.lease))
        for viewer in world.truth.watching():
            world.leave(viewer)
        until = scheduler.now + 2 * world.lease + world.delay + REST
        while scheduler.now < until and not scheduler.stopped:
            scheduler.run(scheduler.now + 10.0)
            if not self._owes():
                break
        if not scheduler.stopped:
            world.promises.at_rest()

    def _owes(self) -> bool:
        """Return whether something is still to be done."""
        world, store = self.world, self.world.server.store
        return bool(
            store._sessions
            or any(entry.settled is None for entry in store._ledger.values())
            or any(
                p.endings.owed._ends
                or p.presence._known
                or p.stand_in._store
                or p.stand_in._unfinished
                or p.guests._kept
                for p in world.processes
            )
            or any(viewer.closed == inf for viewer in world.truth.watching())
        )
