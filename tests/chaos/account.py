"""How each chaos test ends: every host told exactly once, none too early, and nothing left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import pytest
from redis import Redis

from flask_streamend.store.scripts import text

from ..servers import eventually
from .crowd import Viewer
from .mailbox import Arrival
from .size import PATIENCE
from .stage import LEASE, Stage

#: What Redis has of events that are live, ending or owed, and nothing of any other.
OF_EVENTS = ("sessions", "clients", "due", "open", "owed", "expiry", "guests:", "stragglers:")
PREFIX = "streamend:{streamend}:"
#: Seconds of quiet after everything was told, for a notice that should not come.
QUIET = 0.5


def settle(
    stage: Stage,
    repeats: int = 0,
    ledger_lost: bool = False,
    supervised: bool = False,
    patience: float = PATIENCE,
) -> None:
    """Have everybody leave, and check that the account is right.

    :param repeats: notices that may have come a second time: each worker that was killed in the
        middle of a send left one whose outcome nobody knew.
    :param ledger_lost: Redis was emptied, so its ledger begins in the middle.
    :param supervised: RQ's own workers quit for what Redis did, and are started again.
    :param patience: seconds within which all must be told.
    """
    stage.crowd.disperse()

    def untold() -> set[str]:
        stage.supervise()
        return stage.crowd.left.keys() - stage.mailbox.told()

    vanishes(untold, "hosts who are not told yet", patience)
    vanishes(lambda: left_over(stage), "what Redis keeps beside the ledger", PATIENCE)
    threading.Event().wait(QUIET)
    assert not left_over(stage)
    check_mails(stage, repeats, check_ledger(stage, ledger_lost))
    assert stage.command("status") == []
    assert supervised or not stage.ended, "no worker ended by itself"


def nobody_else(stage: Stage, left: Iterable[Viewer]) -> None:
    """Check that those whose viewers have left are told, and for a while nobody else is."""
    ended = {viewer.event_id for viewer in left}

    def untold() -> set[str]:
        stage.supervise()
        return ended - stage.mailbox.told()

    vanishes(untold, "hosts who are not told yet", PATIENCE)
    # A lease that lapsed falsely would be an end after a lease and a grace period.
    threading.Event().wait(LEASE + stage.delay)
    assert stage.mailbox.told() == ended


def vanishes(rest: Callable[[], Collection[str]], what: str, patience: float) -> None:
    """Wait until nothing is left of something; say what is where it stays."""
    try:
        eventually(lambda: not rest(), what, patience)
    except pytest.fail.Exception:
        pytest.fail(f"after {patience:g} s, {what}: {len(rest())}, as {sorted(rest())[:9]}")


def check_ledger(stage: Stage, lost: bool) -> dict[str, float]:
    """Check that every notice is recorded as sent, one an event; return when each was due."""
    rows: list[dict[str, Any]] = stage.command("deliveries")
    ours = [row for row in rows if row["event_id"] in stage.crowd.left]
    assert {row["state"] for row in ours} <= {"sent"}
    recorded = sorted(row["event_id"] for row in ours)
    if lost:
        assert len(recorded) == len(set(recorded))
    else:
        assert recorded == sorted(stage.crowd.left)
    return {row["event_id"]: row["due_at"] for row in ours}


def check_mails(stage: Stage, repeats: int, due: dict[str, float]) -> None:
    """Check that each host was told once, after its last viewer's leave and the grace period."""
    arrivals = stage.mailbox.arrivals()
    assert not arrivals.keys() - stage.crowd.left.keys(), "nobody was told of anything else"
    again, late = 0, [0.0]
    for event_id, left in stage.crowd.left.items():
        mails = arrivals[event_id]
        assert len({mail.message_id for mail in mails}) == 1, f"{event_id}: one session {mails}"
        again += sum(mail.answered for mail in mails) - 1
        first = min(mail.at for mail in mails)
        assert first >= left + stage.delay, (
            f"{event_id} was told {left + stage.delay - first} early"
        )
        assert first >= due.get(event_id, 0.0), f"{event_id} was told before it was due"
        late.append(first - due.get(event_id, first))
    # A figure, not a bound: pytest -s shows it.
    late.sort()
    others = f" and {late[-1 - repeats]:.2f} s" if repeats else ""
    print(f"{len(due)} ends, told {late[-1]:.2f} s{others} after due at the latest")  # noqa: T201
    assert again <= repeats, f"{again} were told again: {_repeated(arrivals)}"


def _repeated(arrivals: dict[str, list[Arrival]]) -> list[list[Arrival]]:
    return [mails for mails in arrivals.values() if sum(mail.answered for mail in mails) > 1][:3]


def left_over(stage: Stage) -> set[str]:
    """Return what Redis keeps and should not: of events, their viewers, ends and alarms."""
    redis = stage.redis
    found = set(map(text, redis.keys(f"{PREFIX}*")))
    left = {key for key in found if key.removeprefix(PREFIX).startswith(OF_EVENTS)}
    left |= {key for key in found if key.startswith(f"{PREFIX}held:") and _events(redis, key)}
    jobs = set(_jobs(redis))
    # A worker that died leaves the job it was at, as one that failed, which RQ keeps for a while.
    died = stage.killed + len(stage.ended)
    return left | (jobs if len(jobs) > died else set())


def _jobs(redis: Redis) -> Iterator[str]:
    """Return RQ's jobs, each with its state and where its id is, so that it is seen who left it."""
    for key in map(text, redis.keys("rq:job:*")):
        job_id, status = key.removeprefix("rq:job:"), redis.hget(key, "status")
        lists = [f"rq:{name}:default" for name in ("scheduled", "wip", "failed", "finished")]
        where = [name for name in lists if redis.zscore(name, job_id) is not None]
        if redis.lpos("rq:queue:default", job_id) is not None:
            where.append("rq:queue:default")
        yield f"{key}, {status!r}, in {where}"


def _events(redis: Redis, held: str) -> list[str]:
    """Return the events a holder holds; the rest of its hash is its own."""
    return [field for field in map(text, redis.hkeys(held)) if not field.startswith("#")]
