"""In Redis: what processes say of themselves, and a canary's sealed event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from .bounds import PROCESSES_MAX
from .introduced import Introduced
from .redis_ledger import RedisLedger
from .scripts import answering, text


class RedisFacts(RedisLedger):
    """Processes as they see themselves, beside the ledger."""

    def introduce(self, who: str, facts: str, keep: int) -> int:
        keys = [self.keys.holders, self.keys.facts]
        return int(self._run("introduce", keys, who, facts, keep, PROCESSES_MAX))

    def introduced(self) -> list[Introduced]:
        with answering():
            pipe = self.redis.pipeline(transaction=True)
            pipe.time()
            pipe.hgetall(self.keys.facts)
            pipe.zrange(self.keys.holders, 0, -1, withscores=True)
            (seconds, micros), rows, leases = pipe.execute()
            now = seconds * 1000 + micros // 1000
            living = {text(holder) for holder, till in leases if till > now}
            told = {text(who): text(row).partition(" ") for who, row in rows.items()}
            kept = {who: facts for who, (till, _, facts) in told.items() if _time(till) > now}
            shares = self._shares(sorted(living))
        workers = [Introduced(who, facts) for who, facts in kept.items() if who not in living]
        return [
            *(Introduced(who, kept.get(who, ""), shares[who]) for who in sorted(living)),
            *(one for one in workers if one.worker),
        ]

    def _shares(self, holders: Sequence[str]) -> dict[str, int]:
        """Return how many viewers each process holds."""
        pipe = self.redis.pipeline(transaction=False)
        for holder in holders:
            pipe.hgetall(self.keys.held(holder))
        return {
            holder: sum(int(count) for event, count in held.items() if text(event) != "#seq")
            for holder, held in zip(holders, pipe.execute(), strict=True)
        }

    def put_canary(self, event_id: str, sealed: str, keep: int) -> None:
        with answering():
            self.redis.set(self.keys.canary(event_id), sealed, px=keep)

    def canary(self, event_id: str) -> str | None:
        with answering():
            sealed = cast(Any, self.redis.get(self.keys.canary(event_id)))
        return None if sealed is None else text(sealed)

    def forget_canary(self, event_id: str) -> None:
        with answering():
            self.redis.delete(self.keys.canary(event_id))


def _time(text: str) -> int:
    """Return a time; 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() else 0
