"""Web processes that die with viewers on them, and that are stopped one after another."""

from __future__ import annotations

import signal

from ..servers import eventually
from .account import settle
from .conftest import MakeStage
from .size import EVENTS, PATIENCE, some
from .stage import DELAY, GEVENT, GTHREAD


def test_one_of_two_web_processes_is_killed(make_stage: MakeStage) -> None:
    """Kill -9 of one web process of two: nobody is told of an event that is still watched.

    Of its viewers a third comes back to the other process, a third watches only with others who
    were there all the time, and a third stays away; only these events end.
    """
    stage = make_stage()
    dies, lives = stage.start(GEVENT, GTHREAD)
    back, shared, away = (some(name, 1 / 3) for name in ("back", "shared", "away"))
    returning = stage.crowd.watch(back, dies, lives, returns=True)
    stage.crowd.watch(shared, dies)
    stage.crowd.watch(shared, lives)
    lost = stage.crowd.watch(away, dies)
    stage.counted(lives, len(back) + 2 * len(shared) + len(away))
    stage.kill(dies.process)
    stage.crowd.await_inside(returning)
    stage.crowd.await_lost(lost)
    eventually(
        lambda: stage.mailbox.told() >= set(away), "those who stay away have ended", PATIENCE
    )
    assert stage.mailbox.told() == set(away)
    settle(stage)


def test_every_web_process_is_killed(make_stage: MakeStage) -> None:
    """Kill -9 of all web processes at once: ``flask streamend worker`` notices, and tells all.

    A third was in its grace period, the others were being watched.
    """
    stage = make_stage()
    sites = stage.start(GEVENT, GTHREAD)
    ending = stage.crowd.watch(some("ending", 1 / 3), *sites)
    stage.crowd.watch(some("watched", 2 / 3), *sites, each=2)
    stage.crowd.leave(ending)
    stage.heard(sites[0], len(ending))
    stage.kill(*(site.process for site in sites))
    settle(stage)


def test_a_rolling_restart(make_stage: MakeStage) -> None:
    """Three web processes under three viewers an event are stopped and started in turn.

    Each viewer is closed with 1012 and comes back elsewhere; nobody is told while they watch.
    """
    # The last one to stop has everybody's viewers: so many are not back within a grace period of
    # the usual length.
    stage = make_stage(STREAMEND_DELAY=DELAY * EVENTS / 100)
    sites = stage.start(GEVENT, GTHREAD, GEVENT, workers=["plain"])
    viewers = stage.crowd.watch(some("jam"), *sites, returns=True, each=3)
    stage.counted(sites[0], 3 * EVENTS)
    stage.crowd.expect_losses()
    for site in sites:
        site.process.signal(signal.SIGTERM)
        site.process.popen.wait(PATIENCE)
        stage.crowd.await_inside(viewers)
        site.restart()
    stage.counted(sites[0], 3 * EVENTS)
    assert stage.crowd.codes.keys() == {1012}
    assert stage.crowd.codes[1012] >= 3 * EVENTS
    assert not stage.mailbox.arrivals()
    settle(stage)
