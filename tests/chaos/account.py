"""How each chaos test ends: every host told exactly once, none too early, and nothing left."""

from __future__ import annotations

import threading
from typing import Any

from redis import Redis

from ..servers import eventually
from .mailbox import Arrival
from .size import PATIENCE
from .stage import Stage

#: What Redis may hold of a namespace with no event: the ledger, counters, and leases of processes.
KEPT = {"ledger", "closed", "stats", "holders", "problems", "over", "ringing"}
#: Seconds of quiet after everything was told, for a notice that should not come.
QUIET = 0.5


def settle(stage: Stage, repeats: int = 0, ledger_lost: bool = False) -> None:
    """Have everybody leave, and check that the account is right.

    :param repeats: notices that may have come a second time: each worker that was killed in the
        middle of a send left one whose outcome nobody knew.
    :param ledger_lost: Redis was emptied, so its ledger begins in the middle.
    """
    stage.crowd.disperse()
    left = stage.crowd.left
    eventually(
        lambda: left.keys() <= stage.mailbox.told(),
        f"all {len(left)} hosts are told; not: {sorted(left.keys() - stage.mailbox.told())[:9]}",
        PATIENCE,
    )
    eventually(lambda: not left_over(stage.redis), "Redis keeps only the ledger", PATIENCE)
    threading.Event().wait(QUIET)
    assert not left_over(stage.redis)
    check_mails(stage, repeats, check_ledger(stage, ledger_lost))
    assert stage.command("status") == []


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
    again = 0
    for event_id, left in stage.crowd.left.items():
        mails = arrivals[event_id]
        assert len({mail.message_id for mail in mails}) == 1, f"{event_id}: one session {mails}"
        again += sum(mail.answered for mail in mails) - 1
        first = min(mail.at for mail in mails)
        assert first >= left + stage.delay, f"{event_id} was told {left + stage.delay - first} early"
        assert first >= due.get(event_id, 0.0), f"{event_id} was told before it was due"
    assert again <= repeats, f"{again} were told again: {_repeated(arrivals)}"


def _repeated(arrivals: dict[str, list[Arrival]]) -> list[list[Arrival]]:
    return [mails for mails in arrivals.values() if sum(mail.answered for mail in mails) > 1][:3]


def left_over(redis: Redis, namespace: str = "streamend") -> set[str]:
    """Return what Redis keeps and should not: of events, their viewers, ends and alarms."""
    prefix = f"{namespace}:{{{namespace}}}:"
    found = {key.decode() for key in redis.keys(f"{prefix}*")}
    held = {key for key in found if key.startswith(f"{prefix}held:")}
    kept = {prefix + name for name in KEPT} | {key for key in held if not _events(redis, key)}
    # A job whose worker was killed at it is RQ's to clean up.
    at_work = {
        member.decode().partition(":")[0]
        for key in redis.keys("rq:wip:*")
        for member in redis.zrange(key, 0, -1)  # type: ignore[union-attr]
    }
    jobs = {key.decode() for key in redis.keys(f"rq:job:{namespace}-*")}
    return (found - kept) | {job for job in jobs if job.removeprefix("rq:job:") not in at_work}


def _events(redis: Redis, held: str) -> list[bytes]:
    """Return the events a holder holds; the rest of its hash is its own."""
    return [field for field in redis.hkeys(held) if not field.startswith(b"#")]  # type: ignore[union-attr]
