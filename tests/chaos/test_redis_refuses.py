"""A Redis that forgets its scripts, and one whose memory is full."""

from __future__ import annotations

import threading

from .account import nobody_else, settle
from .conftest import MakeStage
from .crowd import Viewer
from .size import some
from .stage import GEVENT, LEASE


def test_scripts_are_flushed(make_stage: MakeStage) -> None:
    """SCRIPT FLUSH again and again, while viewers come, leave and return and hosts are told."""
    stage = make_stage()
    sites = stage.start(GEVENT, GEVENT)
    stage.crowd.watch(some("stay", 1 / 4), *sites)
    ended: list[Viewer] = []
    for turn in range(3):
        gone, back = (
            stage.crowd.watch(some(f"{name}-{turn}", 1 / 4), *sites) for name in ("gone", "back")
        )
        stage.redis.script_flush()
        stage.crowd.leave([*gone, *back])
        stage.redis.script_flush()
        stage.crowd.come_back(back)
        stage.redis.script_flush()
        ended += gone
    nobody_else(stage, ended)
    stage.redis.script_flush()
    settle(stage)


def test_memory_is_full_for_a_while(make_stage: MakeStage) -> None:
    """With maxmemory reached and noeviction Redis takes no write: what happens then is made up for.

    Meanwhile viewers leave, leave and come back, and come; events are in their grace period.
    """
    stage = make_stage()
    sites = stage.start(GEVENT, GEVENT)
    stage.crowd.watch(some("stay", 1 / 4), *sites)
    ending = stage.crowd.watch(some("ending", 1 / 4), *sites)
    gone = stage.crowd.watch(some("gone", 1 / 4), *sites)
    back = stage.crowd.watch(some("back", 1 / 4), *sites)
    stage.counted(sites[0], len(stage.crowd.viewers))
    stage.crowd.leave(ending)
    stage.heard(sites[0], len(ending))
    stage.redis.config_set("maxmemory", 1)
    stage.crowd.leave([*gone, *back])
    stage.crowd.come_back(back)
    stage.crowd.watch(some("new", 1 / 4), *sites)
    for site in sites:
        site.process.wait_for("redis-away")
    threading.Event().wait(2 * LEASE)
    stage.redis.config_set("maxmemory", 0)
    nobody_else(stage, [*ending, *gone])
    settle(stage)
