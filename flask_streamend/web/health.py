"""The health page: is everything there that a notice needs?"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.registry import ScheduledJobRegistry

from ..errors import StoreError
from ..store.base import Store

#: Problem codes and what to do about each; also headings of docs/troubleshooting.md.
CURES = {
    "redis-away": "Redis does not answer; start it and leave the web processes running: they hold"
    " what is owed",
    "no-worker": "no RQ worker reads the queue {queue}; start one: rq worker --with-scheduler"
    " --url URL {queue}",
}


class Health:
    """Looks at store and queue, and remembers since when a problem has been there.

    :param store: a store that answers, or fails, within half a second.
    :param clients: this process's own number of viewers, for when the store is away.
    """

    def __init__(self, store: Store, redis: Redis, queue: str, clients: Callable[[], int]) -> None:
        self._store = store
        self._queue = Queue(queue, connection=redis)
        self._clients = clients
        self._lock = threading.Lock()
        self._since: dict[str, float] = {}

    def report(self) -> dict[str, Any]:
        """Return the page's content; ``status`` is ``ok`` or ``degraded``."""
        found: list[str] = []
        page: dict[str, Any] = {"redis": True, "queue": {"name": self._queue.name}}
        try:
            totals = self._store.totals(0)
            page |= {
                "clients": totals.clients,
                "events": totals.live + totals.ending,
                "pending": totals.ending,
                "overdue": totals.overdue,
                "dead_letters": totals.dead,
            }
            page["queue"] |= self._look_at_queue()
            if not page["queue"]["workers"]:
                found.append("no-worker")
        except (StoreError, RedisError, OSError):
            found.append("redis-away")
            page["redis"] = False
            page["clients"] = self._clients()
        problems = self._problems(found)
        return {"status": "degraded" if problems else "ok", "problems": problems, **page}

    def _look_at_queue(self) -> dict[str, int]:
        queue = self._queue
        return {
            "length": queue.count,
            "scheduled": ScheduledJobRegistry(queue=queue).count,
            "workers": Worker.count(queue=queue),
        }

    def _problems(self, codes: list[str]) -> list[dict[str, Any]]:
        with self._lock:
            self._since = {code: self._since.get(code, time.time()) for code in codes}
            return [
                {
                    "code": code,
                    "message": CURES[code].format(queue=self._queue.name),
                    "since": self._since[code],
                }
                for code in codes
            ]
