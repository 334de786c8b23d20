"""When the store heard of nobody, by the calls that it got."""

from __future__ import annotations

from math import floor, inf
from typing import TYPE_CHECKING, Any

from flask_streamend.store.bounds import QUIET_MS
from flask_streamend.store.memory_presence import GUESTS

from .scheduler import Clock

if TYPE_CHECKING:
    from .world import World

#: Of a heartbeat of one who beats often.
BEAT_ARGUMENTS = 5


class Silences(list[tuple[float, float]]):
    """From when the store, as it lives now, had heard of nobody, and when somebody came."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._heard_at = 0.0
        # In whole milliseconds, as the store keeps it.
        self._expected = _ms(0.0) + world.quiet * 1000

    def clear(self) -> None:
        """Begin anew, as a store does that has lost everything."""
        super().clear()
        self._heard_at = self._world.scheduler.now
        self._expected = _ms(self._heard_at) + self._world.quiet * 1000

    def called(self, name: str, args: tuple[Any, ...], now: float) -> None:
        """Note a call that arrived: a silence, once, where who was expected was not heard of."""
        if name not in ("report", "heartbeat", "look", "claim", "reap", "put_back"):
            return
        if _ms(now) > self._expected:
            self.append((self._heard_at, now))
            self._expected = inf
        if name in ("report", "heartbeat") or (name == "look" and self._claims(args)):
            self._spoke(name, args, now)

    def _claims(self, args: tuple[Any, ...]) -> bool:
        """Return whether one who looked said that it claims what is ready."""
        store, at = self._world.server.store, (Clock.EPOCH + self._world.scheduler.now) * 1000
        ready = any(due <= at for due in store._due.values())
        return len(args) > 1 and ready and not (store._beat() or store._pulse.held(int(at)))

    def _spoke(self, name: str, args: tuple[Any, ...], now: float) -> None:
        """Note a beat; one that comes seldom ends no earlier silence of processes that live."""
        often = self._world.quiet
        quiet, watch = often, name == "heartbeat" and len(args) < BEAT_ARGUMENTS
        if name == "look":
            quiet, watch = args[1] / 1000, True
        elif name == "heartbeat":
            quiet = (args[1] + QUIET_MS if watch else args[4]) / 1000
        holders = self._world.server.store._holders.items()
        leases = [holder.lease / 1000 for name, holder in holders if name != GUESTS]
        alone = all(at < Clock.EPOCH + now for at in leases)
        # An alarm speaks for nobody beside a process that lives.
        seldom = watch or (quiet > often and self._expected < inf)
        if alone or not seldom:
            self._heard_at, self._expected = now, _ms(now) + quiet * 1000


def _ms(now: float) -> int:
    """Return the store's clock."""
    return floor((Clock.EPOCH + now) * 1000)
