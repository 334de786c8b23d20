"""A mail server that fails in each way it can, for a while, with a hundred notices due."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..servers import eventually
from .account import settle
from .conftest import MakeStage
from .mail_server import Order
from .size import PATIENCE, some
from .stage import GEVENT, Stage

#: Times the server dies of a message before it is well.
DEATHS = 5


def failures(stage: Stage) -> float:
    """Return how many attempts failed so far."""
    sample = 'streamend_notifications_total{channel="email",status="failed"}'
    return stage.sites[0].metric(sample) or 0.0


def ends_meet(stage: Stage, worker: str, fault: Callable[[], None]) -> None:
    """Have all events end while the mail server fails, and some later.

    :param fault: begins it, and returns when it has been met often enough.
    """
    (site,) = stage.start(GEVENT, workers=[worker])
    during = stage.crowd.watch(some("during", 0.9), site)
    stage.crowd.watch(some("after", 0.1), site)
    stage.counted(site, len(stage.crowd.viewers))
    stage.crowd.leave(during)
    fault()


def refused(stage: Stage) -> None:
    """Refuse connections until a few attempts have failed."""
    stage.mailbox.kill()
    eventually(lambda: failures(stage) >= DEATHS, "attempts fail", PATIENCE)
    stage.mailbox.restart()


def misbehaves(order: Order) -> Callable[[Stage], None]:
    """Return what has the server obey an order until a few attempts have failed."""

    def fault(stage: Stage) -> None:
        stage.mailbox.order(order)
        eventually(lambda: failures(stage) >= DEATHS, f"attempts fail: {order}", PATIENCE)
        assert not stage.mailbox.arrivals()
        stage.mailbox.order(Order.TAKE)

    return fault


#: Each fault, with the worker that meets it.
FAULTS = {
    "refuses-connections": ("plain", refused),
    "answers-451": ("tuned", misbehaves(Order.REFUSE)),
    "hangs": ("tuned", misbehaves(Order.HANG)),
    "has-a-wrong-certificate": ("preloaded", misbehaves(Order.WRONG)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_mail_server_fails_and_is_well_again(make_stage: MakeStage, name: str) -> None:
    """Whatever the server did, each notice is accepted once when it is well, and none is lost."""
    stage = make_stage(tls=True)
    worker, fault = FAULTS[name]
    ends_meet(stage, worker, lambda: fault(stage))
    settle(stage)


@pytest.mark.parametrize(
    ("order", "worker"),
    [(Order.DIE_BEFORE, "tuned"), (Order.DIE_AFTER, "plain")],
    ids=["before-its-answer", "after-its-answer"],
)
def test_a_mail_server_dies_of_a_message(make_stage: MakeStage, order: Order, worker: str) -> None:
    """The server dies with a message, before its answer to DATA or after: several times.

    Where it had not answered, nobody knows what became of the message: that one alone comes again,
    with the same Message-ID. Where it had answered 250, none does.
    """
    stage = make_stage(tls=True)

    def fault() -> None:
        stage.mailbox.order(order)
        for death in range(DEATHS):
            eventually(stage.mailbox.dead, f"death {death}", PATIENCE)
            if death == DEATHS - 1:
                stage.mailbox.order(Order.TAKE)
            stage.mailbox.restart()

    ends_meet(stage, worker, fault)
    settle(stage)
    mails = [mail for arrivals in stage.mailbox.arrivals().values() for mail in arrivals]
    unanswered = [mail for mail in mails if not mail.answered]
    assert len(unanswered) == (DEATHS if order is Order.DIE_BEFORE else 0)
    assert len(mails) == len(stage.crowd.left) + len(unanswered)
