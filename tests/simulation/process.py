"""Web processes and workers, made of the real parts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

from flask_streamend.alarms_local import LocalAlarms
from flask_streamend.contact import Contact
from flask_streamend.ending import Alarm, Alarms, Endings
from flask_streamend.errors import StoreError
from flask_streamend.event import Event
from flask_streamend.guests import Guests
from flask_streamend.jobs import LOADING_MS
from flask_streamend.keeper import Keeper
from flask_streamend.loading import Found
from flask_streamend.notices.deliverer import Deliverer
from flask_streamend.notices.recording import Recording
from flask_streamend.observing import Observers
from flask_streamend.presence import Presence
from flask_streamend.standin import StandIn
from flask_streamend.store.base import Change, Over
from flask_streamend.store.interface import Store
from flask_streamend.store.memory import MemoryStore
from flask_streamend.sweep import Sweep
from flask_streamend.telemetry.tally import Tally
from flask_streamend.timer import Timer

from .mail import Channel
from .network import Line
from .queue import SWEEP, WATCH, QueuedAlarms
from .scheduler import Condition, Life, Lock

if TYPE_CHECKING:
    from .world import World

#: Seconds `flask streamend worker` waits for a job at a time, and any worker after an error.
LOOK_AROUND = 1.0


class Loader:
    """In place of the application's event loader: it knows every event, mostly."""

    def __init__(self, world: World) -> None:
        self._world = world

    def ask(self, event_id: str) -> Found:
        """Return the event."""
        if self._world.random.random() < self._world.loader_fails:
            return Found(failed=True)
        return Found(Event(event_id, "Jam", "7", "host@example.org"))


class StandInStore:
    """The stand-in's store, with what is decided and told there noted."""

    def __init__(self, store: MemoryStore, process: Process) -> None:
        self._store = store
        self._process = process

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._store, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            answer = method(*args, **kwargs)
            self._process.world.truth.called_here(self._process, name, args, answer)
            return answer

        return call


class Ringer(LocalAlarms):
    """Delivers in a thread of the process, which is simulated too."""

    def __init__(self, timer: Timer[Alarm], process: Process) -> None:
        super().__init__(timer, lambda: process.keeper.wake(0.0))
        self._process = process

    def ring_unheard(self) -> None:
        self._again = True
        if not self._running:
            self._running = True
            self._process.spawn(self._run)


class Watched(Presence):
    """A presence of which it is noted when it hears that a session was stopped."""

    noted: Callable[[Over], None]

    def over(self, over: Over, now: int) -> None:
        """Note it, and do it."""
        if over.change is Change.STOPPED:
            self.noted(over)
        super().over(over, now)


class Process(Life):
    """A process with all parts of the extension, wired as :mod:`flask_streamend.wiring` does.

    :param holding: whether it holds viewers: a worker holds none.
    """

    def __init__(self, world: World, name: str, holding: bool = True) -> None:
        super().__init__(name)
        self.world = world
        scheduler, weather = world.scheduler, world.weather
        self.line = Line(scheduler, world.random, world.server, weather, self, world.truth)
        self.store = cast(Store, self.line)
        self.tally = Tally(self.store)
        self.observers = Observers(world.app, self.tally)
        self.alarms: Alarms = QueuedAlarms(world.queue)
        self.timer: Timer[Alarm] = Timer()
        self.keeper = Keeper(world.task_failed)
        self.keeper._condition = cast(Any, Condition(scheduler))
        self.contact = Contact(self.observers)
        wake = self.keeper.wake
        self.endings = Endings(self.alarms, self.timer, wake, lambda: self.contact.away)
        self.guests = Guests(self.store, self.endings, self.observers, self.contact)
        self.stand_in = StandIn(self._ringing, wake)
        lease = world.lease
        self.presence = Watched(
            self.store, self.endings, self.observers, self.contact, self.stand_in, lease, wake
        )
        self.presence.noted = lambda over: world.truth.over(self, over)
        self.presence._reporting = cast(Any, Lock(scheduler))
        self.sweep = Sweep(
            self.store,
            self.presence,
            self.endings,
            self.observers,
            self.contact,
            self.stand_in,
            self.guests,
            self.tally,
            lease,
        )
        self.sweep.holding = self.holding = holding
        self.deliverer = self._deliverer(self.store, self.alarms)
        presence, tasks = self.presence, self.keeper
        for task in (presence.tick, self.endings.tick, self.sweep.tick, self._write_counts):
            tasks.add(task)
        tasks.add(self.stand_in.tick)

    def _write_counts(self) -> None:
        with contextlib.suppress(StoreError):
            self.tally.flush()

    def _deliverer(self, store: Store, alarms: Alarms) -> Deliverer:
        world = self.world
        loading = cast(Any, Loader(world))
        channel = Channel(world, self)
        recording = Recording(world.app, lambda: None, self.tally)
        deliverer = Deliverer(
            *(world.settings, store, alarms, loading, self.observers),
            *({channel.name: channel}, str, recording),
        )
        deliverer.leased.watch = self._beside
        return deliverer

    @contextlib.contextmanager
    def _beside(self, seconds: float, act: Callable[[], None]) -> Iterator[None]:
        """Have something begun in another thread of this process, which is simulated too."""

        def begin() -> None:
            self.world.scheduler.sleep(seconds)
            act()

        self.spawn(begin)
        yield

    def _ringing(self, store: MemoryStore, timer: Timer[Alarm]) -> Alarms:
        here = Ringer(timer, self)
        noted = cast(Store, StandInStore(store, self))
        sender = self._deliverer(noted, here)

        def deliver() -> None:
            with self.world.app.app_context():
                sender.deliver_due()

        here.connect(deliver)
        return here

    def spawn(self, act: Callable[[], None]) -> None:
        """Start a thread of this process; what it raises, a check fails by."""

        def guarded() -> None:
            try:
                act()
            except StoreError:
                pass  # its caller's to handle: a page, a command
            except Exception:  # noqa: BLE001 - the scheduler must go on to say where
                self.world.task_failed()

        self.world.scheduler.spawn(self, guarded)

    def start(self) -> None:
        """Begin to beat, as at a first request."""
        self.spawn(self.keeper._run)

    def stop(self) -> None:
        """Stop gracefully, as :mod:`flask_streamend.drain` does."""
        self.keeper.stop()
        self.spawn(self._goodbye)

    def _goodbye(self) -> None:
        world = self.world
        until = world.scheduler.now + 2.0
        with contextlib.suppress(StoreError):
            self.presence.flush()
        while self.presence.total() and world.scheduler.now < until:
            world.scheduler.sleep(0.05)
        try:
            self.presence.goodbye()
            self.tally.flush()
        finally:
            world.scheduler.after(0.0, lambda: world.kill(self))

    def end_event(self, event_id: str) -> None:
        """Do as the host's stop button does."""
        self.presence.flush()
        ended = self.store.finish(event_id, Change.STOPPED)
        if ended is not None:
            now = self.presence.heard.at_least(ended.due)
            self.presence.over(Over(event_id, ended.session, Change.STOPPED, ended.due), now)
            self.endings.decided(ended, now)


class Worker(Process):
    """Hears alarms, as :mod:`flask_streamend.jobs` and :mod:`flask_streamend.worker` do.

    :param tuned: it looks around by itself.
    """

    def __init__(self, world: World, name: str, tuned: bool) -> None:
        super().__init__(world, name, holding=False)
        self._tuned = tuned

    def start(self) -> None:
        """Begin to work."""
        self.spawn(self._work)

    def _work(self) -> None:
        world = self.world
        while self.alive:
            alarm = world.queue.get(LOOK_AROUND if self._tuned else 3600.0)
            if not world.server.up or self.line.cut:
                world.scheduler.sleep(LOOK_AROUND)  # RQ waits for its Redis
                continue
            try:
                if alarm is not None:
                    self._hear(alarm)
                if self._tuned:
                    self.sweep.tick()
                    self.tally.flush()
            except StoreError:
                world.scheduler.sleep(LOOK_AROUND)

    def _hear(self, alarm: Alarm) -> None:
        queue = self.world.queue
        if alarm.session == WATCH:
            self._look_after(alarm)
        look = self.store.look(alarm.due or None, LOADING_MS)
        if look.paused:
            queue.later(alarm, look.paused / 1000)
        if look.ready:
            self._load()
            with self.world.app.app_context():
                self.deliverer.deliver_due()
            if left := self.store.look(None).paused:
                queue.later(alarm, left / 1000)
        elif look.waiting:
            queue.later(alarm, (alarm.due - look.now) / 1000)

    def _load(self) -> None:
        """Load the application, which only a worker of ours has done before."""
        if not self._tuned:
            self.world.scheduler.sleep(self.world.random.uniform(0.0, 2.0))

    def _look_after(self, alarm: Alarm) -> None:
        queue, store = self.world.queue, self.store
        queue.later(alarm, alarm.wait / 1000)
        beat = store.heartbeat("", alarm.wait, 0, quiet=alarm.wait + 5000)
        for holder in beat.lapsed:
            store.reap(holder)
        for event_id in beat.expired:
            store.guest("expire", event_id, "", 0, "", -1)
        next_try = store.next_try()
        if next_try is None and not beat.watch:
            queue.remove(WATCH)
        elif next_try is not None and 0 < next_try < alarm.wait:
            queue.later(Alarm("", SWEEP, 0, 0), next_try / 1000)
