"""A Redis that takes connections and answers nobody, for longer than lease and grace together."""

from __future__ import annotations

import threading

import pytest

from .account import nobody_else, settle
from .conftest import MakeStage
from .size import some
from .stage import GEVENT, GTHREAD

#: Seconds it hangs: four leases, six grace periods.
HANGS = 12.0


@pytest.mark.parametrize("worker", ["tuned", "plain"])
def test_redis_hangs(make_stage: MakeStage, worker: str) -> None:
    """Redis is stopped for 12 s and goes on: nobody is told falsely, early or twice.

    Some events are in their grace period when it hangs. Meanwhile viewers leave, leave and come
    back to the same process, come anew, and stay; some leave when it goes on.
    """
    stage = make_stage()
    sites = stage.start(GEVENT, GTHREAD, workers=[worker])
    stage.crowd.watch(some("stay", 1 / 5), *sites)
    ending, gone, back, hasty = (
        stage.crowd.watch(some(name, 1 / 5), *sites) for name in ("ending", "gone", "back", "hasty")
    )
    stage.counted(sites[0], len(stage.crowd.viewers))
    stage.crowd.leave(ending)
    stage.heard(sites[0], len(ending))
    stage.redis_server.hang()
    try:
        stage.crowd.leave([*gone, *back])
        stage.crowd.come_back(back)
        stage.crowd.watch(some("new", 1 / 5), *sites)
        threading.Event().wait(HANGS)
    finally:
        stage.redis_server.resume()
    stage.crowd.leave(hasty)
    nobody_else(stage, [*ending, *gone, *hasty])
    settle(stage, supervised=worker == "plain")
