"""Web processes by the hundred in one Python: their real parts, without sockets.

Each has its presence, endings, alarms and sweep as :mod:`flask_streamend.wiring` puts them
together, all on one real Redis. What their keepers' threads would do is done here, in the order of
a simulated clock, so that a second of theirs may take as long as it takes; what Redis spends on it
is real.
"""

from __future__ import annotations

import gc
import heapq
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

from flask import Flask
from redis import Redis

from flask_streamend import contact, crowd, known, presence, sweep
from flask_streamend.alarms import RQAlarms
from flask_streamend.contact import Contact
from flask_streamend.ending import Alarm, Endings
from flask_streamend.guests import Guests
from flask_streamend.observing import Observers
from flask_streamend.presence import Presence
from flask_streamend.sealing import Sealer, keys_for
from flask_streamend.store.redis import RedisStore
from flask_streamend.sweep import Sweep
from flask_streamend.telemetry.tally import Tally
from flask_streamend.timer import Timer
from flask_streamend.viewers import Named

#: Seconds of lease and grace: longer than a simulation takes, as Redis's clock goes on meanwhile.
LEASE = DELAY = 3600.0
NAMESPACE = "scale"

Place = tuple[int, str, Named]


class Clock:
    """Stands for :mod:`time` in the parts' modules."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Return the simulated time."""
        return self.now

    time = monotonic


class Processes:
    """Web processes.

    :param sticky: whether all viewers of an event come to the same process.
    :param chance: what happens where.
    """

    def __init__(self, redis: Redis, count: int, events: int, sticky: bool) -> None:
        self.clock = Clock()
        self.store = RedisStore(redis, NAMESPACE)
        self._redis = redis
        self._events = events
        self._sticky = sticky
        self._chance = random.Random(9)  # noqa: S311 - the same each time, that is the point
        self._waking: list[tuple[float, int]] = []
        self._wanted: dict[int, float] = {}
        self._sealer = Sealer(keys_for((), b"scale"))
        self._tally = Tally(self.store)
        self._observers = Observers(Flask("scale"), self._tally)
        self.viewers: list[Place] = []
        self.processes = [self._process(number) for number in range(count)]

    def _process(self, number: int) -> tuple[Presence, Sweep]:
        def wake(within: float) -> None:
            self._want(number, self.clock.now + within)

        alarms = RQAlarms(self._redis, NAMESPACE, "default", self._sealer, self._tally)
        timer: Timer[Alarm] = Timer()
        made = Contact(self._observers)
        endings = Endings(alarms, timer, wake, lambda: made.away)
        there = Presence(self.store, endings, self._observers, made, None, LEASE, wake)
        beats = Sweep(
            *(self.store, there, endings, self._observers, made, None),
            Guests(self.store, endings, self._observers, made),
            self._tally,
            LEASE,
        )
        return there, beats

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Have the parts see the simulated clock.

        Redis sees its own: a collection of millions of objects would be a silence to it, after
        which everybody is to report anew.
        """
        gc.disable()
        with ExitStack() as stack:
            stack.callback(gc.enable)
            for module in (contact, crowd, known, presence, sweep):
                stack.enter_context(mock.patch.object(module, "time", self.clock))
            yield

    def join(self) -> None:
        """Have a viewer come to some event in some process."""
        event = self._chance.randrange(self._events)
        number = (event if self._sticky else self._chance.randrange(1 << 30)) % len(self.processes)
        place = (number, f"event-{event}", Named(""))
        self.processes[number][0].enter(*place[1:], DELAY)
        self.viewers.append(place)

    def leave(self) -> None:
        """Have one of the viewers leave."""
        at = self._chance.randrange(len(self.viewers))
        place, self.viewers[at] = self.viewers[at], self.viewers[-1]
        self.viewers.pop()
        self.processes[place[0]][0].leave(*place[1:])

    def run(self, seconds: float, rate: float) -> None:
        """Let simulated seconds pass, with so many joins and as many leaves in each.

        Every process beats in its time, and reports when it wants to.
        """
        begin, acts, never = self.clock.now, 0, float("inf")
        for number in range(len(self.processes)):
            self._want(number, begin + sweep.BEAT * number / len(self.processes))
        while True:
            act_at = begin + acts / rate if rate else never
            woken_at = self._waking[0][0] if self._waking else never
            self.clock.now = max(self.clock.now, min(act_at, woken_at))
            if self.clock.now >= begin + seconds:
                break
            if act_at <= woken_at:
                acts += 1
                self.join()
                self.leave()
            else:
                self._keep(*heapq.heappop(self._waking))

    def _want(self, number: int, at: float) -> None:
        """Note when a process's keeper wants to be called, if that is sooner than it was."""
        if at < self._wanted.get(number, float("inf")):
            self._wanted[number] = at
            heapq.heappush(self._waking, (at, number))

    def _keep(self, at: float, number: int) -> None:
        """Do what a process's keeper does when it wakes up."""
        if self._wanted.get(number) != at:
            return  # it was wanted sooner, and has been called
        del self._wanted[number]
        waits = [task.tick() for task in self.processes[number]]
        self._want(number, self.clock.now + min(wait for wait in waits if wait is not None))
