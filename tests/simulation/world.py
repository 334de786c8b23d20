"""A site of simulated processes, workers, a store, a queue, a mail server and viewers."""

from __future__ import annotations

import secrets
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from math import inf
from random import Random
from types import SimpleNamespace
from unittest import mock

from flask import Flask

from flask_streamend import (
    contact,
    crowd,
    guests,
    keeper,
    known,
    owed,
    presence,
    sweep,
    timer,
)
from flask_streamend.notices import attempts, deliverer, leased, settling
from flask_streamend.settings import Settings
from flask_streamend.store import memory_ledger
from flask_streamend.telemetry.logs import log

from ..apps.twins import Starting
from .network import Server, Weather
from .people import Viewer
from .process import Process, Worker
from .promises import Promises
from .queue import Chances, Queue
from .scheduler import Clock, Life, Scheduler
from .truth import Truth

MakeStore = Callable[[Callable[[], float]], Starting]

#: Modules that look at the clock.
_TIMED = (
    *(contact, crowd, guests, keeper, known, owed, presence, sweep, timer),
    *(attempts, deliverer, leased, settling, memory_ledger),
)


@cache
def _app() -> Flask:
    app = Flask("simulation")
    app.config["MAIL_DEFAULT_SENDER"] = "streams@example.org"
    return app


class World:
    """One history's world.

    :param seed: decides everything.
    :param trace: a list of lines of what happens; None: nobody reads.
    :param store: makes the shared store, of a clock.
    :ivar failure: the promise that was broken, and how.
    """

    def __init__(
        self, seed: int, trace: list[str] | None = None, store: MakeStore = Starting
    ) -> None:
        self.seed = seed
        self.random = random = Random(seed)
        self.trace = trace
        self.failure: str | None = None
        self.scheduler = Scheduler()
        self.app = _app()
        self.lease = random.choice((3.0, 6.0, 6.0, 15.0))
        self.delay = random.choice((0.0, 1.0, 4.0, 4.0, 20.0))
        # As Presence counts it.
        self.quiet = min(self.lease / 2, presence.QUIET)
        self.settings = Settings(
            lease=self.lease,
            delay=self.delay,
            retry_backoff=1.0,
            mail_timeout=random.choice((2.0, 10.0)),
        )
        self.weather = Weather()
        self.loader_fails = self.mail_slow = self.mail_unanswered = 0.0
        self.mail_away = False
        self.server = Server(self.scheduler, store)
        self.queue = Queue(self.scheduler, random, self.server, Chances())
        self.truth = Truth(self)
        self.promises = Promises(self)
        self.processes: list[Process] = []
        self.workers: list[Worker] = []
        self._number = 0

    # What is said.

    def note(self, text: str) -> None:
        """Add a line to the trace."""
        if self.trace is not None:
            self.trace.append(f"{self.scheduler.now:9.4f} {text}")

    def fail(self, text: str) -> None:
        """Note that a promise was broken; the first counts."""
        self.note(f"BROKEN {text}")
        if self.failure is None:
            self.failure = text
            self.scheduler.stopped = True

    def task_failed(self) -> None:
        """Note that a part of a process raised what it must not raise."""
        error = sys.exc_info()[1]
        assert error is not None
        self.fail("an exception: " + "".join(traceback.format_exception(error)))

    # Processes.

    def start_process(self) -> Process:
        """Start a web process."""
        self._number += 1
        process = Process(self, f"web{self._number}")
        self.processes.append(process)
        process.start()
        return process

    def start_worker(self) -> Worker:
        """Start a worker."""
        self._number += 1
        worker = Worker(self, f"worker{self._number}", tuned=self.random.random() < 0.5)
        self.workers.append(worker)
        worker.start()
        return worker

    def kill(self, process: Process) -> None:
        """End a process at once; its viewers' sockets break."""
        if not process.alive:
            return
        self.note(f"{process.name} dies")
        gone = self.truth.watching(process)
        self.scheduler.kill(process)
        self.truth.died(process)
        for some in (self.processes, self.workers):
            if process in some:
                some.remove(process)  # type: ignore[arg-type]
        for viewer in gone:
            self._returns(viewer)

    def stop(self, process: Process) -> None:
        """Stop a web process gracefully."""
        self.note(f"{process.name} is stopped")
        self.processes.remove(process)
        process.stop()
        for viewer in self.truth.watching(process):
            viewer.stop(1012)

    # Viewers.

    def join(self, event: str, process: Process) -> Viewer:
        """Have a viewer come."""
        viewer = self.truth.came(event, process)
        self.note(f"viewer {viewer.number} joins {event} at {process.name}")
        process.presence.enter(event, viewer, self.delay)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Have a viewer go."""
        if viewer.closed < inf and not viewer.let_go:
            return
        self.note(f"viewer {viewer.number} leaves {viewer.event} at {viewer.process.name}")
        viewer.closed = min(viewer.closed, self.scheduler.now)
        viewer.process.presence.leave(viewer.event, viewer)

    def told_to_go(self, viewer: Viewer, code: int) -> None:
        """Have a viewer's socket close, after a moment."""
        stopped = code == 4000
        if stopped:
            viewer.let_go, viewer.closed = True, self.scheduler.now
        wait = self.random.uniform(0.0, 0.5)

        def go() -> None:
            if viewer.process.alive and (stopped or viewer.closed == inf):
                self.leave(viewer)
                if not stopped:
                    self._returns(viewer)

        self.scheduler.after(wait, go)

    def _returns(self, viewer: Viewer) -> None:
        """Have a viewer's page connect anew, mostly."""
        if self.random.random() < 0.3 or self.healed:
            return
        wait = self.random.expovariate(1.0)

        def back() -> None:
            if self.processes and not self.healed:
                self.join(viewer.event, self.random.choice(self.processes))

        self.scheduler.after(wait, back)

    healed = False

    # The store's server.

    def empty(self) -> None:
        """Have the store lose everything, the queue with it."""
        self.note("the store is emptied")
        before = self.server.life
        self.server.empty()
        self.queue.empty()
        self.truth.emptied(before)

    def heal(self) -> None:
        """Have everything work again."""
        self.healed = True
        server = self.server
        for name in ("slow", "lost", "unanswered", "late", "repeated"):
            setattr(self.weather, name, 0.0)
        self.loader_fails = self.mail_slow = self.mail_unanswered = 0.0
        self.mail_away = server.away = False
        self.queue.chances = Chances()
        for life in (*self.processes, *self.workers):
            life.line.cut = False
            life.paused_until = 0.0
        if server.hangs:
            server.go_on()
        server.started()


@contextmanager
def simulated(world: World) -> Iterator[None]:
    """Have time, names and chance be the world's."""
    clock = Clock(world.scheduler)
    chance = SimpleNamespace(uniform=world.random.uniform)
    level = log.level
    with ExitStack() as stack:
        for module in _TIMED:
            stack.enter_context(mock.patch.object(module, "time", clock))
        stack.enter_context(mock.patch.object(settling, "random", chance))
        names = (f"{number:06x}" for number in range(1, 1 << 24))
        stack.enter_context(mock.patch.object(secrets, "token_hex", lambda _: next(names)))
        log.setLevel("CRITICAL")
        try:
            yield
        finally:
            log.setLevel(level)
            for life in (*world.processes, *world.workers):
                world.scheduler.kill(life)


__all__ = ["Life", "World", "simulated"]
