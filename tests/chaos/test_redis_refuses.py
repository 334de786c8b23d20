"""A Redis that forgets its scripts, and one that takes no write."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from redis import Redis

from ..servers import free_port
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


def full(redis: Redis) -> None:
    """Have it be out of memory, with noeviction: it takes no write."""
    redis.config_set("maxmemory", 1)


def demoted(redis: Redis) -> None:
    """Have it be the replica of a server that nobody reaches: it answers, and is read-only."""
    redis.replicaof("127.0.0.1", free_port())


def well(redis: Redis) -> None:
    """Have it take writes again."""
    redis.replicaof("NO", "ONE")
    redis.config_set("maxmemory", 0)


@pytest.mark.parametrize("refuses", [full, demoted])
def test_redis_takes_no_write_for_a_while(
    make_stage: MakeStage, refuses: Callable[[Redis], None]
) -> None:
    """What happens while Redis answers and takes no write is made up for.

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
    refuses(stage.redis)
    stage.crowd.leave([*gone, *back])
    stage.crowd.come_back(back)
    stage.crowd.watch(some("new", 1 / 4), *sites)
    for site in sites:
        site.process.wait_for("redis-away")
    threading.Event().wait(2 * LEASE)
    well(stage.redis)
    nobody_else(stage, [*ending, *gone])
    settle(stage)
