"""A Redis that is killed, and comes back empty or with what its append-only file holds."""

from __future__ import annotations

import signal
import threading

import pytest

from ..servers import Site, eventually
from .account import nobody_else, settle
from .conftest import MakeStage
from .size import PATIENCE, some
from .stage import GEVENT, LEASE, Stage


def away(stage: Stage, site: Site) -> None:
    """Wait until a site has noticed that Redis is away."""
    eventually(lambda: not stage.health(site)["redis"], "it is noticed", PATIENCE)


def well(stage: Stage, site: Site) -> None:
    """Wait until a site says that all is well."""
    eventually(
        lambda: stage.health(site)["status"] == "ok",
        lambda: f"all is well: {stage.health(site)}",
        PATIENCE,
    )


@pytest.mark.parametrize("keeps", [False, True], ids=["empty", "append-only-file"])
def test_redis_is_killed_and_comes_back(make_stage: MakeStage, keeps: bool) -> None:
    """Kill -9 of Redis, for longer than a lease; it comes back empty, or with what it had kept.

    The web processes live, so nothing is lost: neither the ends that were pending, nor those of
    viewers who leave meanwhile, or at the moment when Redis is back. Nobody is told of an event
    whose viewers left and came back, came anew, or stayed.
    """
    stage = make_stage(append_only=keeps)
    sites = stage.start(GEVENT, GEVENT)
    stage.crowd.watch(some("stay", 1 / 5), *sites)
    ending, gone, back, hasty = (
        stage.crowd.watch(some(name, 1 / 5), *sites) for name in ("ending", "gone", "back", "hasty")
    )
    stage.counted(sites[0], len(stage.crowd.viewers))
    stage.crowd.leave(ending)
    stage.heard(sites[0], len(ending))
    stage.redis_server.stop()
    stage.crowd.leave([*gone, *back])
    stage.crowd.come_back(back)
    stage.crowd.watch(some("new", 1 / 5), *sites)
    for site in sites:
        away(stage, site)
    threading.Event().wait(LEASE)
    stage.redis_server.start()
    stage.crowd.leave(hasty)
    nobody_else(stage, [*ending, *gone, *hasty])
    for site in sites:
        well(stage, site)
    settle(stage, ledger_lost=not keeps)


def test_redis_fails_over_to_an_empty_replica(make_stage: MakeStage) -> None:
    """From one moment to the next the address is another server's, which knows nothing.

    Events are in their grace period, others' viewers leave at that moment, leave and come back,
    and come.
    """
    stage = make_stage()
    sites = stage.start(GEVENT, GEVENT)
    stage.crowd.watch(some("stay", 1 / 4), *sites)
    ending, gone, back = (
        stage.crowd.watch(some(name, 1 / 4), *sites) for name in ("ending", "gone", "back")
    )
    stage.counted(sites[0], len(stage.crowd.viewers))
    stage.crowd.leave(ending)
    stage.heard(sites[0], len(ending))
    stage.redis_server.stop()
    stage.redis_server.start()
    stage.crowd.leave([*gone, *back])
    stage.crowd.come_back(back)
    stage.crowd.watch(some("new", 1 / 4), *sites)
    nobody_else(stage, [*ending, *gone])
    for site in sites:
        well(stage, site)
    settle(stage, ledger_lost=True)


def test_a_web_process_is_restarted_while_redis_is_away(make_stage: MakeStage) -> None:
    """Redis is killed; one of two web processes is stopped and started before Redis is back.

    Redis has kept what it had. The viewers of the process that was stopped come back, to either.
    """
    stage = make_stage(append_only=True)
    stops, lives = stage.start(GEVENT, GEVENT)
    returning = stage.crowd.watch(some("return", 1 / 2), stops, lives, returns=True)
    stage.crowd.watch(some("away", 1 / 4), stops, lives)
    ending = stage.crowd.watch(some("ending", 1 / 4), stops, lives)
    stage.counted(lives, len(stage.crowd.viewers))
    stage.crowd.leave(ending)
    stage.heard(lives, len(ending))
    stage.redis_server.stop()
    away(stage, lives)
    stage.crowd.expect_losses()
    stops.process.signal(signal.SIGTERM)
    stops.process.popen.wait(PATIENCE)
    stops.restart()
    stage.crowd.await_inside(returning)
    stage.redis_server.start()
    settle(stage)
