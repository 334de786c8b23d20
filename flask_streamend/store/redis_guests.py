"""In Redis: viewers and publishers by name, whom no process holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from redis import Redis

from .base import Cause, Change, GuestAct, Report, Reported
from .bounds import OUT_MS
from .redis_ledger import RedisLedger
from .scripts import answering, text

_CAUSES: dict[str, Cause] = {"": "", "emptied": "emptied", "stopping": "stopping"}


class RedisGuests(RedisLedger):
    """Guests, beside the ledger."""

    def __init__(self, redis: Redis, namespace: str) -> None:
        super().__init__(redis, namespace)
        k = self.keys
        self._presence = [k.holders, k.clients, k.sessions, k.due, k.stats, k.over]
        self._presence += [k.ledger, k.pulse, k.shared]

    def guest(
        self,
        act: GuestAct,
        event_id: str,
        guest: str,
        ttl: int,
        session: str,
        delay: int,
        trace: str = "",
        keeps: bool = False,
    ) -> Report:
        k = self.keys
        keys = [k.held(k.GUESTS), k.guests(event_id), k.expiry, k.stragglers(event_id)]
        keys += [k.viewers, k.scratch, k.publishers(event_id), k.outs(event_id)]
        now, row, came, went = self._run(
            "guest",
            [*self._presence, *keys],
            *(act, event_id, guest, ttl, session, delay, trace, OUT_MS, int(keeps)),
        )
        return Report(int(now), (reported(row),), came=int(came), went=int(went))

    def guests(self, prefix: str) -> Iterator[tuple[str, str, int]]:
        k = self.keys
        with answering():
            # Who has guests is in there; a scan may name one twice while it grows.
            events = {text(event) for event, _ in self.redis.zscan_iter(k.expiry, count=500)}
            for event in events:
                for key in (k.guests(event), k.publishers(event)):
                    for guest, until in self.redis.zscan_iter(key, count=500):
                        if (name := text(guest)).startswith(prefix):
                            yield event, name, int(until)

    def turn(self, what: str, owner: str, lease: int) -> bool:
        return bool(self._run("turn", [self.keys.key(f"turn:{what}")], owner, lease))


def reported(row: list[Any]) -> Reported:
    """Return what the store made of an event, from a script's reply."""
    event, change, session, clients, due, started, peak, cause = row
    return Reported(
        text(event),
        Change(text(change)),
        text(session),
        int(clients),
        int(due) if due else None,
        int(started),
        int(peak),
        _CAUSES[text(cause)],
    )
