"""Simulated time: what would be threads are greenlets, and one at a time runs, in one order.

Time passes only where somebody waits, so that an hour takes as long as what is done in it.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from itertools import count
from types import TracebackType
from typing import Any, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

T = TypeVar("T")


class Life:
    """A process, which may die or stand still with all its threads.

    :ivar died: when, of one that is not alive.
    :ivar paused_until: it does nothing before this.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.died = 0.0
        self.paused_until = 0.0
        self.tasks: set[Task] = set()

    def __repr__(self) -> str:
        return self.name


class Task(greenlet):
    """One thread of a process."""

    def __init__(self, scheduler: Scheduler, life: Life, act: Callable[[], None]) -> None:
        super().__init__(self._run, parent=scheduler.hub)
        self._act = act
        self.life = life
        # What it waits for; a wake-up from an earlier wait finds another number.
        self.waits = 0
        life.tasks.add(self)

    def _run(self) -> None:
        try:
            self._act()
        finally:
            self.life.tasks.discard(self)


class Scheduler:
    """Runs what is due in the order of time; what is due at one instant in the order it was set.

    :ivar now: seconds since the history began.
    :ivar stopped: True: no time passes any more.
    """

    def __init__(self) -> None:
        self.hub = getcurrent()
        self.now = 0.0
        self.stopped = False
        self._order = count()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []

    def after(self, wait: float, act: Callable[[], None]) -> None:
        """Have something done in ``wait`` seconds."""
        heapq.heappush(self._heap, (self.now + wait, next(self._order), act))

    def run(self, until: float) -> None:
        """Let time pass up to an instant."""
        heap = self._heap
        while heap and heap[0][0] <= until and not self.stopped:
            self.now, _, act = heapq.heappop(heap)
            act()
        self.now = max(self.now, until)

    def spawn(self, life: Life, act: Callable[[], None]) -> Task:
        """Start a thread of a process."""
        task = Task(self, life, act)
        self.after(0.0, lambda: self._resume(task, 0))
        return task

    def _resume(self, task: Task, waits: int) -> None:
        life = task.life
        if not life.alive or task.waits != waits or task.dead:
            return
        if life.paused_until > self.now:
            self.after(life.paused_until - self.now, lambda: self._resume(task, waits))
            return
        task.switch()

    def me(self) -> Task:
        """Return the thread that runs."""
        task = getcurrent()
        assert isinstance(task, Task), "only a thread can wait"
        return task

    def sleep(self, seconds: float) -> None:
        """Have the thread that runs wait."""
        self.wait(seconds)

    def wait(self, seconds: float | None) -> None:
        """Wait until the time is over or somebody calls what :meth:`ticket` returned."""
        task = self.me()
        if not task.life.alive:
            raise GreenletExit  # it is being killed, and cleans up
        waits = task.waits
        if seconds is not None:
            self.after(max(0.0, seconds), lambda: self._resume(task, waits))
        self.hub.switch()
        task.waits += 1

    def ticket(self) -> Callable[[], None]:
        """Return what ends the next wait of the thread that runs."""
        task = self.me()
        waits = task.waits
        return lambda: self.after(0.0, lambda: self._resume(task, waits))

    def kill(self, life: Life) -> None:
        """End a process at once: nothing of it runs any more."""
        life.alive, life.died = False, self.now
        for task in list(life.tasks):
            if task:
                task.throw(GreenletExit)
        life.tasks.clear()


class Lock:
    """In place of a lock that is held while others wait for the network."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._held = False
        self._waiting: deque[Callable[[], None]] = deque()

    def __enter__(self) -> Lock:
        while self._held:
            self._waiting.append(self._scheduler.ticket())
            self._scheduler.wait(None)
        self._held = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held = False
        if self._waiting:
            self._waiting.popleft()()


class Condition:
    """In place of the keeper's condition: one thread waits, others notify it."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._ticket: Callable[[], None] | None = None

    def __enter__(self) -> Condition:
        return self

    def __exit__(self, *_: Any) -> None:
        return None

    def wait(self, timeout: float | None = None) -> None:
        """Wait until notified, or until the time is over."""
        self._ticket = self._scheduler.ticket()
        self._scheduler.wait(timeout)
        self._ticket = None

    def notify(self) -> None:
        """Wake who waits."""
        if self._ticket is not None:
            ticket, self._ticket = self._ticket, None
            ticket()


class Clock:
    """In place of the module ``time``.

    :ivar EPOCH: the wall clock's time when a history begins.
    """

    EPOCH = 1_700_000_000.0

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def monotonic(self) -> float:
        """Return the time since the history began, and a bit, since 0 is special to nobody."""
        return self._scheduler.now + 1000.0

    def time(self) -> float:
        """Return the wall clock's time, which is the store's too."""
        return self._scheduler.now + self.EPOCH

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._scheduler.sleep(seconds)
