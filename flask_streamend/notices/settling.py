"""Recording how an attempt at a delivery went, whatever the store does meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ..ending import Alarm, Alarms
from ..errors import StoreError
from ..settings import Settings
from ..store.base import Kept, Outcome
from ..store.deliveries import Delivery, Member
from ..store.interface import Store
from ..telemetry.names import NOTIFICATIONS
from ..telemetry.tracing import settled, traced

#: Seconds for which an attempt's outcome is kept for a store that is away: below the lease.
RECORD = 45.0
#: The back-off's ceiling, in seconds.
LONGEST_WAIT = 1800.0


@dataclass(frozen=True)
class Result:
    """How an attempt went.

    :param error: what went wrong, or why it was skipped.
    :param reason: the same in one word of the metrics.
    :param took: milliseconds; -1 where there was no attempt.
    :param at_once: of one that failed: it is tried again without a wait.
    """

    outcome: Outcome
    error: str = ""
    reason: str = ""
    took: int = -1
    at_once: bool = False


class Settling:
    """Settles what one deliverer has leased.

    :param owner: who that is, for the store.
    """

    def __init__(self, settings: Settings, store: Store, alarms: Alarms, owner: str) -> None:
        self._backoff_from = settings.retry_backoff
        self._store = store
        self._alarms = alarms
        self._owner = owner

    def settle(
        self, delivery: Delivery, channel: str, result: Result, members: Sequence[Member] = ()
    ) -> int:
        """Record an outcome, and set or remove the delivery's alarm.

        :param channel: what it went by; empty: that is not known.
        :param members: of a digest, those that are told by it.
        :returns: milliseconds since it was due; negative: it was no longer this deliverer's.
        :raises StoreError: where the store was away for longer than that is tried.
        """
        retry = 0 if result.at_once else self._backoff(delivery.attempts)
        late = self._record(delivery, channel, result, retry, members)
        if late >= 0 and result.outcome in (Outcome.FAILED, Outcome.POSTPONED):
            at = delivery.due + late + retry
            trace = delivery.trace or traced().context
            self._alarms.arm([Alarm(delivery.event_id, delivery.id, at, retry, trace)])
        elif delivery.again or delivery.attempts:
            self._alarms.disarm([delivery.id])
        return late

    def _record(
        self,
        delivery: Delivery,
        channel: str,
        result: Result,
        retry: int,
        members: Sequence[Member],
    ) -> int:
        """Record an outcome, for a while even if the store is away: else it may be told twice."""
        until, wait = time.monotonic() + RECORD, 0.1
        skipped = result.error if result.outcome is Outcome.SKIPPED else ""
        attempt = settled(result.outcome.value, result.reason or skipped)
        while True:
            try:
                late = self._store.settle(
                    *(delivery.id, self._owner, channel, result.outcome, result.error),
                    *(retry, result.reason, result.took, attempt.trace_id, attempt.context),
                )
                if late < 0 and result.outcome is Outcome.SENT:
                    self._told(delivery, channel, members)
                return late
            except StoreError:
                if time.monotonic() > until:
                    raise
                time.sleep(wait)
                wait = min(1.0, 2 * wait)

    def _told(self, delivery: Delivery, channel: str, members: Sequence[Member]) -> None:
        """Have the store know what was told: it was emptied meanwhile, or the lease lapsed."""
        now = self._store.look(None).now
        told = [_kept(delivery, now, "sent", channel, delivery.attempts + 1, delivery.trace)]
        told += [_kept(member, now, "digested", channel) for member in members]
        self._store.put_back("", told, said=now)
        self._store.add({NOTIFICATIONS.field(channel, "sent"): 1})

    def _backoff(self, attempts: int) -> int:
        """Return the milliseconds until the next try: doubling, with jitter of a quarter."""
        wait = min(LONGEST_WAIT, self._backoff_from * 2 ** min(attempts, 20))
        return int(wait * 1000 * random.uniform(0.75, 1.0))  # noqa: S311 - jitter is no secret


def _kept(
    told: Delivery | Member, now: int, state: str, channel: str, attempts: int = 0, trace: str = ""
) -> Kept:
    left = told.due - now
    return Kept(
        *(told.event_id, told.session),
        age=-left,
        left=left,
        clients=told.clients,
        state=state,
        channel=channel,
        attempts=attempts,
        trace=trace,
        delivery="" if told.id == told.session else told.id,
    )
