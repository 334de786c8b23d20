"""How the whole system is: the figures, and what is wrong with what cures it.

The health page, the status page and ``flask streamend status --watch`` show it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import StoreError
from .problems import CURES
from .state import AppState
from .store.overview import Overview
from .store.totals import Totals
from .telemetry.queues import QueueView, look_at_queue

#: Seconds to wait for this process's own last changes to be reported.
SETTLE = 0.3
#: Problems with which no viewer is even counted.
DOWN = frozenset({"sync-worker", "server-unsupported"})
#: Problems with which every host is told all the same.
ADVICE = frozenset({"worker-keys"})


@dataclass(frozen=True)
class Seen:
    """What one look found.

    :param status: ``ok``, ``degraded`` or ``down``.
    :param problems: each with its code, a message with the cure, and since when, in seconds since
        the epoch.
    :param totals: the store's figures; None while it is away.
    :param queue: None while it can't be read, or where there is none.
    :param overview: events and deliveries, where they were asked for.
    """

    status: str
    problems: list[dict[str, Any]]
    totals: Totals | None = None
    queue: QueueView | None = None
    overview: Overview | None = None

    @property
    def answered(self) -> bool:
        """Return whether the store answered all that it was asked."""
        return all(problem["code"] != "redis-away" for problem in self.problems)


class Condition:
    """Looks at store and queue, and remembers since when a problem has been there."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._since: dict[str, float] = {}
        self._answered = time.monotonic()

    def look(self, events: int = 0, deliveries: int = 0) -> Seen:
        """Look once, in a bounded number of round trips and a bounded time.

        :param events: how many of each kind are wanted for the overview; 0: no overview.
        :param deliveries: likewise.
        """
        state = self._state
        totals, queue, overview = None, None, None
        found: list[str] = []
        try:
            state.presence.settle(SETTLE)
            totals = state.glance.totals(0)
            found += _met(totals)
            if state.glance_redis is not None:
                queue = look_at_queue(state.glance_redis, state.settings.queue)
                if not sum(queue.workers.values()):
                    found.append("no-worker")
            if events or deliveries:
                overview = state.glance.overview(events, deliveries)
            self._answered = time.monotonic()
        except StoreError:
            found.append("redis-away")
        problems = self._problems(found, {} if totals is None else totals.problems)
        codes = {problem["code"] for problem in problems}
        status = "down" if codes & DOWN else "degraded" if codes - ADVICE else "ok"
        return Seen(status, problems, totals, queue, overview)

    def silent(self) -> float:
        """Return the seconds since the store answered this process last, or since its start."""
        return min(time.monotonic() - self._answered, self._state.contact.silent())

    def _problems(self, codes: Iterable[str], met: Mapping[str, float]) -> list[dict[str, Any]]:
        name = self._state.settings.queue
        with self._lock:
            now = time.time()
            self._since = {code: self._since.get(code, now) for code in codes}
            since = {**self._state.problems, **met, **self._since}
        return [
            {"code": code, "message": CURES[code].format(queue=name), "since": at}
            for code, at in since.items()
            if code in CURES
        ]


def _met(totals: Totals) -> list[str]:
    there = {"held": totals.hold, "catching-up": totals.gap, "overdue": totals.overdue}
    return [code for code, value in there.items() if value]
