"""The health page: is everything there that a notice needs?"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, jsonify

from ..errors import StoreError
from ..problems import CURES
from ..state import AppState
from ..telemetry.queues import look_at_queue

#: Seconds to wait for this process's own last changes to be reported.
SETTLE = 0.3
#: Problems with which no viewer is even counted.
DOWN = frozenset({"sync-worker", "server-unsupported"})
#: Problems with which every host is told all the same.
ADVICE = frozenset({"worker-keys"})
FIELDS = ("redis", "queue", "clients", "events", "pending", "overdue", "dead_letters")
QUEUE_FIELDS = ("name", "length", "scheduled", "workers")


class Health:
    """Looks at store and queue, and remembers since when a problem has been there."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._since: dict[str, float] = {}

    def report(self) -> dict[str, Any]:
        """Return the page's content; ``status`` is ``ok``, ``degraded`` or ``down``.

        What can't be known, as while the store is away, is None.
        """
        found: list[str] = []
        met: Mapping[str, float] = {}
        redis, name = self._state.glance_redis, self._state.settings.queue
        page: dict[str, Any] = dict.fromkeys(FIELDS) | {"redis": True}
        if redis is not None:
            page["queue"] = dict.fromkeys(QUEUE_FIELDS) | {"name": name}
        try:
            self._state.presence.settle(SETTLE)
            totals = self._state.glance.totals(0)
            met = totals.problems
            page |= {
                "clients": totals.clients,
                "events": totals.live + totals.ending,
                "pending": totals.ending,
                "overdue": totals.overdue,
                "dead_letters": totals.dead,
            }
            paused = {"held": totals.hold, "catching-up": totals.gap, "overdue": totals.overdue}
            found += [code for code, there in paused.items() if there]
            if redis is not None:
                queue = look_at_queue(redis, name)
                page["queue"] |= {
                    "length": queue.jobs["queued"],
                    "scheduled": queue.jobs["scheduled"],
                    "workers": sum(queue.workers.values()),
                }
                if not page["queue"]["workers"]:
                    found.append("no-worker")
        except StoreError:
            found.append("redis-away")
            page["redis"] = False
            page["clients"] = self._state.presence.total()
            page["events"] = len(self._state.presence.counts())
        problems = self._problems(found, met)
        codes = {problem["code"] for problem in problems}
        status = "down" if codes & DOWN else "degraded" if codes - ADVICE else "ok"
        return {"status": status, "problems": problems, **page}

    def _problems(self, codes: list[str], met: Mapping[str, float]) -> list[dict[str, Any]]:
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


def register_health(app: Flask, path: str, health: Health) -> None:
    """Add the health page, and under it ``live``, for liveness probes."""

    def page() -> tuple[Response, int]:
        report = health.report()
        return jsonify(report), 200 if report["status"] == "ok" else 503

    def live() -> dict[str, str]:
        return {"status": "live"}

    app.add_url_rule(path, "streamend_health", page)
    app.add_url_rule(f"{path.rstrip('/')}/live", "streamend_live", live)
