"""The shared store as processes reach it: over a network that loses, delays and repeats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from flask_streamend.errors import StoreError
from flask_streamend.store.scripts import TIMEOUT

from ..apps.twins import Starting
from .renames import renaming
from .scheduler import Clock, Life, Scheduler

if TYPE_CHECKING:
    from .truth import Truth

#: Calls that a network may deliver after their caller gave up, and after newer ones.
#: Not the acts on viewers by name and an operator's: they have no order of their own.
LATE = frozenset(
    (
        *("report", "heartbeat", "put_back", "claim", "take", "extend", "sending", "settle"),
        *("reap", "still_owed"),
    )
)
#: Seconds by which a call may be late: a network's retransmissions.
LATEST = 8.0
#: Seconds that a call takes at the most where nothing is wrong.
QUICK = 0.005


@dataclass
class Weather:
    """How likely each fault of a call is."""

    slow: float = 0.0
    lost: float = 0.0
    unanswered: float = 0.0
    late: float = 0.0
    repeated: float = 0.0

    @property
    def worst(self) -> float:
        """Return how likely any fault is."""
        return self.slow + self.lost + self.unanswered + self.late + self.repeated


class Server:
    """The shared store's server, which may hang, go away, and come back empty.

    :ivar store: what it holds.
    :ivar life: how often it was emptied.
    :ivar began: when it started as it lives now, and so may have been emptied.
    """

    def __init__(
        self, scheduler: Scheduler, make: Callable[[Callable[[], float]], Starting] = Starting
    ) -> None:
        self._scheduler = scheduler
        self._make = make
        self._held_up: list[Callable[[], None]] = []
        self.life = 0
        self.began = 0.0
        self.away = False
        self.hangs = False
        self.store = self._new()

    def _new(self) -> Starting:
        scheduler = self._scheduler
        store = self._make(lambda: Clock.EPOCH + scheduler.now)
        store._pulse.epoch = f"life{self.life}"
        return store

    def empty(self) -> None:
        """Lose everything, as one without persistence does when it restarts."""
        self.life += 1
        self.store = self._new()
        self._held_up.clear()

    def started(self) -> None:
        """Wait a while, as a Redis does that just started and so may have been emptied by that."""
        if self.store._pulse.awake is None:
            self.began = self._scheduler.now
            self.store.started()

    def hold_up(self, act: Callable[[], None]) -> None:
        """Keep what was sent while it hangs: it is done when it goes on."""
        self._held_up.append(act)

    def go_on(self) -> None:
        """Do what was sent while it hung."""
        self.hangs = False
        held_up, self._held_up = self._held_up, []
        for act in held_up:
            act()

    @property
    def up(self) -> bool:
        """Return whether it answers."""
        return not (self.away or self.hangs)


class Line:
    """One process's way to the store: each method of the store's, with what may go wrong.

    :ivar cut: True: nothing passes.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        random: Random,
        server: Server,
        weather: Weather,
        life: Life,
        truth: Truth,
    ) -> None:
        self._scheduler = scheduler
        self._random = random
        self._server = server
        self._weather = weather
        self._life = life
        self._truth = truth
        self.cut = False

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **kwargs: self._call(name, args, kwargs)

    def _call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        began, contact = self._scheduler.now, self._truth.contacts[self._life]
        contact.waits.add(began)
        try:
            answer = self._through(name, args, kwargs)
        except StoreError:
            contact.failed.add(began)
            raise
        finally:
            contact.waits.discard(began)
            # Of a process that dies meanwhile, too.
            if self._scheduler.now - began > QUICK:
                contact.troubles.append((began, self._scheduler.now))
        if name == "report" or (name == "heartbeat" and args[0]):
            contact.well(self._scheduler.now)
        if name == "heartbeat" and args[0]:
            contact.heard += [arrived for arrived, made in contact.beaten[-5:] if made == began]
        return answer

    def _through(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        random, wait, server = self._random, self._scheduler.sleep, self._server
        draw, weather = random.random(), self._weather
        fault = ""
        if draw < weather.worst:
            for fault in ("slow", "lost", "unanswered", "late", "repeated"):
                draw -= getattr(weather, fault)
                if draw < 0:
                    break
        noted = self._truth.calling(self._life, name, args)

        def act() -> Any:
            with renaming(self._truth, server.store, name, args):
                answer = getattr(server.store, name)(*args, **kwargs)
            self._truth.called(self._life, server.life, name, args, answer, noted)
            return answer

        wait(random.uniform(0.1, 1.5) if fault == "slow" else random.uniform(0.0001, 0.002))
        if server.away:
            raise StoreError("simulated: refused", refused=True)
        if self.cut or fault in ("lost", "late"):
            if fault == "late" and name in LATE and not self.cut:
                life = server.life
                self._scheduler.after(
                    random.uniform(0.0, LATEST),
                    lambda: act() if server.up and server.life == life else None,
                )
            wait(TIMEOUT)
            raise StoreError("simulated: lost")
        if server.hangs:
            server.hold_up(act)
            wait(TIMEOUT)
            raise StoreError("simulated: hangs")
        answer = act()
        if fault == "repeated":
            # The driver's one retry, on a connection that broke before the answer.
            answer = act()
        wait(random.uniform(0.1, 1.5) if fault == "slow" else random.uniform(0.0001, 0.002))
        if fault == "unanswered" or self.cut:
            wait(random.choice((0.0, TIMEOUT)))
            raise StoreError("simulated: unanswered")
        return answer
