"""Workers that are killed: in the middle of a burst, and at the lock of RQ's scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ..servers import eventually
from .account import settle
from .conftest import MakeStage
from .mail_server import Order
from .size import EVENTS, PATIENCE, some
from .stage import GEVENT, Stage


def end_all(stage: Stage) -> None:
    """Have all events end in one instant."""
    (site,) = stage.sites
    viewers = stage.crowd.watch(some("jam"), site)
    stage.counted(site, EVENTS)
    stage.crowd.leave(viewers)


#: Who is killed, and who tells the rest: one that was there, or one that is started.
BURSTS = ["tuned-another", "tuned-restarted", "plain-another", "plain-restarted"]
#: Seconds within which the notice that was on its way is taken up: its lease must lapse.
LEASED = 180.0


def kill_in_the_middle(stage: Stage, kind: str, heir: str) -> None:
    """Have all events end in one instant, and kill the worker when it has told some hosts."""
    stage.mailbox.order(Order.SLOW)
    stage.start(GEVENT, workers=[kind] * (2 if heir == "another" else 1))
    end_all(stage)
    eventually(lambda: len(stage.mailbox.told()) >= EVENTS / 10, "some are told", PATIENCE)
    # Where the other one is at a stale alarm just now, both are busy: the first will do.
    stage.kill(eventually(stage.busy, "a worker is at it")[0])
    assert len(stage.mailbox.told()) < EVENTS
    if heir == "restarted":
        stage.worker(kind)


@pytest.fixture(scope="module")
def bursts(
    redis_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Stage]]:
    """Return stages with each of these kills done: one waits for their leases at one time."""
    stages = {name: Stage(tmp_path_factory.mktemp(name), redis_server) for name in BURSTS}
    with ThreadPoolExecutor(len(stages)) as pool:
        done = [
            pool.submit(kill_in_the_middle, stage, *name.split("-"))
            for name, stage in stages.items()
        ]
    yield stages
    for stage in stages.values():
        stage.stop()
    for one in done:
        one.result()


@pytest.mark.parametrize("name", BURSTS)
def test_a_worker_is_killed_in_the_middle_of_a_burst(bursts: dict[str, Stage], name: str) -> None:
    """Kill -9 of the worker that is telling a hundred hosts: another, or a new one, tells the rest.

    Only the notice that was on its way at that instant may come again, with the same Message-ID.
    """
    settle(bursts[name], repeats=1, patience=LEASED + PATIENCE)


def test_the_holder_of_rq_s_scheduler_lock_is_killed(make_stage: MakeStage) -> None:
    """Kill -9 of the ``rq worker`` that holds RQ's scheduler lock, which nobody takes for a minute.

    Half of the events are in their grace period then, half are watched: the web process rings, and
    the other worker tells.
    """
    stage = make_stage()
    (site,) = stage.start(GEVENT, workers=["scheduler"])
    holder = stage.workers[0]
    eventually(lambda: stage.redis.exists("rq:scheduler-lock:default"), "the lock is taken")
    stage.worker("scheduler")
    ending = stage.crowd.watch(some("ending", 0.5), site)
    stage.crowd.watch(some("watched", 0.5), site)
    stage.counted(site, len(stage.crowd.viewers))
    stage.crowd.leave(ending)
    stage.heard(site, len(ending))
    stage.kill(holder)
    settle(stage)
