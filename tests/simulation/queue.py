"""The queue of alarms: as RQ's, late, early by up to a second, twice or never."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from flask_streamend.ending import Alarm

from .network import Server
from .scheduler import Scheduler

#: The session of an alarm that is nobody's, and of the one that looks after each lease.
SWEEP, WATCH = "sweep", "watch"


@dataclass
class Chances:
    """How likely an alarm is lost, rings twice, or rings very late; and is there a scheduler."""

    lost: float = 0.0
    twice: float = 0.0
    late: float = 0.0
    scheduler: bool = True


class Queue:
    """Lies in the same server as the store, and is lost with it.

    :ivar jobs: what waits for a worker.
    """

    def __init__(
        self, scheduler: Scheduler, random: Random, server: Server, chances: Chances
    ) -> None:
        self._scheduler = scheduler
        self._random = random
        self._server = server
        self.chances = chances
        self.jobs: deque[Alarm] = deque()
        self._set: dict[str, int] = {}
        self._idle: list[Callable[[], None]] = []
        self._number = 0

    def empty(self) -> None:
        """Lose everything."""
        self.jobs.clear()
        self._set.clear()

    def later(self, alarm: Alarm, wait: float) -> None:
        """Have an alarm ring in ``wait`` seconds; one set before is moved."""
        if not self._server.up or self._random.random() < self.chances.lost:
            return
        if not self.chances.scheduler:
            return
        self._number += 1
        number = self._set[alarm.session] = self._number
        for _ in range(1 + (self._random.random() < self.chances.twice)):
            late = self._random.uniform(-1.0, 1.5)
            if self._random.random() < self.chances.late:
                late += self._random.uniform(0.0, 20.0)
            self._scheduler.after(max(0.0, wait + late), lambda: self._due(alarm, number))

    def _due(self, alarm: Alarm, number: int) -> None:
        if self._set.get(alarm.session) == number:
            self.put(alarm)

    def put(self, alarm: Alarm) -> None:
        """Have an alarm ring now."""
        if not self._server.up:
            return
        self.jobs.append(alarm)
        if self._idle:
            self._idle.pop()()

    def remove(self, session: str) -> None:
        """Remove an alarm, where it has not rung."""
        if self._server.up:
            self._set.pop(session, None)

    def get(self, timeout: float) -> Alarm | None:
        """Wait for an alarm."""
        if not self.jobs:
            ticket = self._scheduler.ticket()
            self._idle.append(ticket)
            try:
                self._scheduler.wait(timeout)
            finally:
                if ticket in self._idle:
                    self._idle.remove(ticket)
        return self.jobs.popleft() if self.jobs and self._server.up else None


class QueuedAlarms:
    """Alarms as a process sets them."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def arm(self, alarms: list[Alarm]) -> None:
        """Set alarms."""
        # In an order that no hash decides.
        for alarm in sorted(alarms):
            self._queue.later(alarm, alarm.wait / 1000)

    def ring(self, alarm: Alarm) -> None:
        """Ring now."""
        self._queue.remove(alarm.session)
        self._queue.put(alarm)

    def ring_unheard(self) -> None:
        """Ring for whatever is ready."""
        if not any(alarm.session == SWEEP for alarm in self._queue.jobs):
            self._queue.put(Alarm("", SWEEP, 0, 0))

    def disarm(self, sessions: list[str]) -> None:
        """Remove alarms."""
        for session in sessions:
            self._queue.remove(session)

    def watch(self, lease: int) -> None:
        """Look after each lease."""
        if lease:
            self._queue.later(Alarm("", WATCH, 0, lease), lease / 1000)
        else:
            self._queue.remove(WATCH)
