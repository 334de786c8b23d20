"""Redis: there, new enough, and fit to keep what must not be lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from ..problems import CURES
from ..store.scripts import answering
from .findings import Case, Finding, counted, doubtful, fine, wrong

#: The oldest Redis with all commands that the scripts use.
OLDEST = (6, 2)


def store(case: Case) -> Iterator[Finding]:
    """Does it answer, how fast, and is it one that keeps things?

    :raises StoreError: where it does not answer.
    """
    redis = case.state.redis
    if redis is None:
        yield fine("store", "memory:// (one process)")
        return
    with answering():
        began = time.monotonic()
        redis.ping()
        took = time.monotonic() - began
        now: Any = redis.time()
        here = time.time()
        info = _info(redis)
    version = str(info.get("valkey_version") or info.get("redis_version") or "of some version")
    name = "Valkey" if "valkey_version" in info else "Redis"
    yield fine("store", f"{address(redis)} {name} {version} answered in {took * 1000:.1f} ms")
    offset = here - (now[0] + now[1] / 1e6)
    yield fine("clock", f"this host is {offset:+.2f} s from Redis's, whose clock counts")
    if not info:
        yield doubtful("eviction", "this user may not read INFO: see for yourself")
        return
    if name == "Redis" and _number(version) < OLDEST:
        yield wrong("redis-version", version)
    policy = info.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        yield fine("policy", policy)
    else:
        yield wrong("eviction", f"maxmemory-policy is {policy}")
    yield _persistence(redis, info)


def _info(redis: Redis) -> dict[str, Any]:
    """Return what Redis says of itself; nothing where it may not be asked."""
    try:
        found: Any = redis.info()
    except ResponseError:
        return {}
    return dict(found)


def _persistence(redis: Redis, info: Any) -> Finding:
    if info.get("aof_enabled"):
        return fine("persistence", "every write is logged (appendonly)")
    save = ""
    with suppress(RedisError):  # a hosted Redis may not say
        config: Any = redis.config_get("save")
        save = config.get("save", "")
    kept = f"snapshots only (save {save})" if save else "nothing is written to disk"
    return doubtful("persistence", kept)


def address(redis: Redis) -> str:
    """Return a client's address as it may be shown: without user and password."""
    kwargs = redis.connection_pool.connection_kwargs
    where = kwargs.get("path") or f"{kwargs.get('host')}:{kwargs.get('port')}"
    return f"{where}/{kwargs.get('db') or 0}"


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def progress(case: Case) -> Iterator[Finding]:
    """Is anything late, held, given up? And what did workers meet?"""
    totals = case.totals
    queue = case.state.settings.queue
    late = {"held": totals.hold, "catching-up": totals.gap}
    for code, left in late.items():
        if left:
            yield wrong(code, f"for {left / 1000:.0f} s more")
    if totals.overdue:
        yield wrong(
            "overdue", f"{counted(totals.overdue, 'notice')}, the oldest {totals.oldest:.0f} s"
        )
    if totals.dead:
        yield doubtful("dead-letters", f"{totals.dead} in the ledger")
    for code, at in totals.problems.items():
        if code in CURES:
            since = totals.now / 1000 - at
            found = f"a worker met it first {since:.0f} s ago; said until an alarm finds it mended"
            yield wrong(code, found, queue=queue)
    yield fine(
        "notices",
        f"{totals.deliveries['sent']} sent, {totals.deliveries['skipped']} skipped,"
        f" {totals.ending} ends to come",
    )
