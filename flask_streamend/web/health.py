"""The health page: is everything there that a notice needs?"""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, jsonify

from ..condition import Condition, Seen
from ..state import AppState

FIELDS = ("redis", "queue", "clients", "events", "pending", "overdue", "dead_letters")
QUEUE_FIELDS = ("name", "length", "scheduled", "workers")


def report(state: AppState, seen: Seen) -> dict[str, Any]:
    """Return the page's content; what can't be known, as while the store is away, is None."""
    totals, queue = seen.totals, seen.queue
    page: dict[str, Any] = dict.fromkeys(FIELDS)
    page["redis"] = seen.answered
    if state.glance_redis is not None:
        page["queue"] = dict.fromkeys(QUEUE_FIELDS) | {"name": state.settings.queue}
    if totals is not None:
        page |= {
            "clients": totals.clients,
            "events": totals.live + totals.ending,
            "pending": totals.ending,
            "overdue": totals.overdue,
            "dead_letters": totals.dead,
        }
    if queue is not None:
        page["queue"] |= {
            "length": queue.jobs["queued"],
            "scheduled": queue.jobs["scheduled"],
            "workers": sum(queue.workers.values()),
        }
    if not seen.answered:
        page["clients"] = state.presence.total()
        page["events"] = len(state.presence.counts())
    return {"status": seen.status, "problems": seen.problems, **page}


def register_health(app: Flask, path: str, state: AppState, condition: Condition) -> None:
    """Add the health page, and under it ``live``, for liveness probes."""

    def page() -> tuple[Response, int]:
        content = report(state, condition.look())
        return jsonify(content), 200 if content["status"] == "ok" else 503

    def live() -> dict[str, str]:
        return {"status": "live"}

    app.add_url_rule(path, "streamend_health", page)
    app.add_url_rule(f"{path.rstrip('/')}/live", "streamend_live", live)
