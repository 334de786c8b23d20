"""The health page: is everything there that a notice needs?"""

from __future__ import annotations

import threading
import time
from typing import Any

from flask import Flask, Response, jsonify, request
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.registry import ScheduledJobRegistry

from ..errors import StoreError
from ..state import AppState
from ..telemetry.logs import log

#: Problem codes and what to do about each; also headings of docs/troubleshooting.md.
CURES = {
    "redis-away": "Redis does not answer; start it, and leave the web processes running: they hold"
    " what is owed.",
    "no-worker": "No RQ worker reads the queue {queue!r}; start one: flask streamend worker, or"
    " rq worker --url URL {queue}.",
    "memory-multiprocess": "memory:// counts in one process and the server runs several; set"
    " STREAMEND_REDIS_URL, or run one process.",
}

#: Seconds to wait for this process's own last changes to be reported.
SETTLE = 0.3


class Health:
    """Looks at store and queue, and remembers since when a problem has been there."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._since: dict[str, float] = {}
        self._multiprocess = False
        self._queue: Queue | None = None
        if state.glance_redis is not None:
            self._queue = Queue(state.settings.queue, connection=state.glance_redis)

    def report(self) -> dict[str, Any]:
        """Return the page's content; ``status`` is ``ok`` or ``degraded``."""
        found: list[str] = []
        page: dict[str, Any] = {"redis": True, "queue": None}
        if self._queue is not None:
            page["queue"] = {"name": self._queue.name}
        try:
            self._state.presence.settle(SETTLE)
            totals = self._state.glance.totals(0)
            page |= {
                "clients": totals.clients,
                "events": totals.live + totals.ending,
                "pending": totals.ending,
                "overdue": totals.overdue,
                "dead_letters": totals.dead,
            }
            if self._queue is not None:
                page["queue"] |= self._look_at_queue(self._queue)
                if not page["queue"]["workers"]:
                    found.append("no-worker")
        except (StoreError, RedisError, OSError):
            found.append("redis-away")
            page["redis"] = False
            page["clients"] = self._state.presence.total()
            page["events"] = len(self._state.presence.counts())
        if self._multiprocess:
            found.append("memory-multiprocess")
        problems = self._problems(found)
        return {"status": "degraded" if problems else "ok", "problems": problems, **page}

    def notice_server(self, multiprocess: bool) -> None:
        """Note what the server says of itself: memory:// is one process's own."""
        if multiprocess and self._queue is None and not self._multiprocess:
            self._multiprocess = True
            log.error("memory-multiprocess: %s", CURES["memory-multiprocess"])

    @staticmethod
    def _look_at_queue(queue: Queue) -> dict[str, int]:
        return {
            "length": queue.count,
            "scheduled": ScheduledJobRegistry(queue=queue).count,
            "workers": Worker.count(queue=queue),
        }

    def _problems(self, codes: list[str]) -> list[dict[str, Any]]:
        name = self._state.settings.queue
        with self._lock:
            self._since = {code: self._since.get(code, time.time()) for code in codes}
            return [
                {
                    "code": code,
                    "message": CURES[code].format(queue=name),
                    "since": self._since[code],
                }
                for code in codes
            ]


def register_health(app: Flask, path: str, health: Health) -> None:
    """Add the health page, and under it ``live``, for liveness probes."""

    def page() -> tuple[Response, int]:
        health.notice_server(bool(request.environ.get("wsgi.multiprocess")))
        report = health.report()
        return jsonify(report), 200 if report["status"] == "ok" else 503

    def live() -> dict[str, str]:
        return {"status": "live"}

    app.add_url_rule(path, "streamend_health", page)
    app.add_url_rule(f"{path.rstrip('/')}/live", "streamend_live", live)
