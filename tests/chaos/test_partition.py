"""One process cut off from a Redis that others reach."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ..servers import eventually
from .account import nobody_else, settle
from .conftest import MakeStage
from .relay import Relay
from .size import PATIENCE, some
from .stage import GEVENT, Stage

#: Seconds of grace, and of a lease; what the network is cut for is less than both together.
DELAY, LEASE, CUT = 4.0, 6.0, 8.0


@pytest.fixture
def stage(make_stage: MakeStage) -> Stage:
    """Return a stage whose leases outlast a call's time-out by far."""
    return make_stage(STREAMEND_DELAY=DELAY, STREAMEND_LEASE=LEASE)


@pytest.fixture
def relay(stage: Stage) -> Iterator[Relay]:
    """Return a way to that stage's Redis that can be cut."""
    relay = Relay(stage.redis_server.port)
    yield relay
    relay.stop()


def test_a_web_process_is_cut_off(stage: Stage, relay: Relay) -> None:
    """One of two web processes is cut off for longer than a lease, and less than that and a grace.

    Meanwhile viewers leave either, come to either, and go from the one to the other; events are in
    their grace period. A lease that lapses so is no end: nobody is told of viewers who stay.
    """
    near, far = stage.start(GEVENT), stage.start(GEVENT, workers=(), web_env=stage.by(relay))
    stage.crowd.watch(some("stay", 1 / 5), *near, *far)
    ending, gone, moving = (
        stage.crowd.watch(some(name, 1 / 5), *near, *far) for name in ("ending", "gone", "move")
    )
    stage.counted(near[0], len(stage.crowd.viewers))
    stage.crowd.leave(ending)
    stage.heard(near[0], len(ending))
    relay.cut()
    stage.crowd.leave(gone)
    stage.crowd.watch([viewer.event_id for viewer in moving], *near)
    stage.crowd.leave(moving)
    stage.crowd.watch(some("new", 1 / 5), *near, *far)
    far[0].process.wait_for("redis-away")
    threading.Event().wait(CUT - 2)
    relay.heal()
    nobody_else(stage, [*ending, *gone])
    eventually(lambda: stage.health(far[0])["status"] == "ok", "all is well", PATIENCE)
    settle(stage)


def test_a_worker_is_cut_off_in_the_middle_of_a_burst(stage: Stage, relay: Relay) -> None:
    """A worker is cut off while it tells; another goes on, and none is told again by the first."""
    sites = stage.start(GEVENT, GEVENT, workers=())
    stage.worker("tuned", stage.by(relay))
    gone = stage.crowd.watch(some("gone"), *sites)
    stage.counted(sites[0], len(gone))
    stage.crowd.leave(gone)
    eventually(lambda: len(stage.mailbox.told()) > len(gone) / 10, "a burst is under way", PATIENCE)
    relay.cut()
    stage.worker("tuned")
    threading.Event().wait(CUT)
    relay.heal()
    nobody_else(stage, gone)
    settle(stage)
