"""The live status page, for who has no Grafana: one page, its style, its script, its data.

It is there only where STREAMEND_STATUS_PAGE asks for it, and opened by STREAMEND_API_TOKEN.
"""

from __future__ import annotations

import time
from collections import Counter as Bag
from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.wrappers import Response as BaseResponse

from .. import __version__
from ..condition import Condition, Seen
from ..state import AppState
from ..store.bounds import OVERDUE_MS
from ..store.totals import OWED
from ..telemetry.words import failing, why
from .api import guarded

#: Rows of each kind: events ending and live; deliveries dead, owed and settled.
EVENTS = 100
DELIVERIES = 50
#: The page's files. No other is loaded, from here or from elsewhere.
FILES = {"": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY = "; ".join(
    (
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'"),
        *("connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # For where the application puts a policy of its own in the place of this one.
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


def register(blueprint: Blueprint, state: AppState, condition: Condition) -> None:
    """Add the page's routes, where it was asked for; they answer 404 while no token is set."""
    if not state.settings.status_page:
        return

    def data() -> Response:
        response = jsonify(report(state, condition))
        response.cache_control.no_store = True
        return response

    blueprint.add_url_rule("/streamend/status.json", "status_data", guarded(state, data))
    for suffix, mimetype in FILES.items():
        blueprint.add_url_rule(
            f"/streamend/status{suffix}",
            f"status_{suffix.strip('.') or 'page'}",
            guarded(state, _serving(f"status{suffix or '.html'}", mimetype)),
        )


def _serving(name: str, mimetype: str) -> Callable[[], BaseResponse]:
    body = (files(__package__) / "status_page" / name).read_bytes()

    def serve() -> BaseResponse:
        response = Response(body, mimetype=mimetype, headers=HEADERS)
        response.add_etag()
        # Asked for each time, and sent where it changed: page, style and script fit each other.
        response.cache_control.no_cache = True
        response.cache_control.private = True
        return response.make_conditional(request)

    return serve


def report(state: AppState, condition: Condition) -> dict[str, Any]:
    """Return what the page shows; while Redis is away, what this process knows by itself.

    Times are seconds since the epoch on the clock of ``now``, which is the store's.
    """
    seen = condition.look(EVENTS, DELIVERIES)
    return {
        "version": __version__,
        "status": seen.status,
        "problems": seen.problems,
        "redis": seen.answered,
        "silent": 0.0 if seen.answered else condition.silent(),
        "delay": state.settings.delay,
        "overdue_after": OVERDUE_MS / 1000,
        "memory": state.settings.in_memory,
        **(_whole(state, seen) if seen.answered else _own(state)),
    }


def _whole(state: AppState, seen: Seen) -> dict[str, Any]:
    totals, shown, queue = seen.totals, seen.overview, seen.queue
    assert totals is not None
    assert shown is not None
    counters = Bag(totals.counters) + Bag(state.tally.pending())
    return {
        "now": totals.now / 1000,
        "totals": {
            "clients": totals.clients,
            "live": totals.live,
            "ending": totals.ending,
            "owed": sum(totals.deliveries[kind] for kind in OWED),
            "overdue": totals.overdue,
            "dead_letters": totals.dead,
            "processes": totals.processes,
            "paused": max(totals.hold, totals.gap) / 1000,
        },
        "queue": None
        if queue is None
        else {
            "name": queue.name,
            "length": queue.jobs["queued"],
            "scheduled": queue.jobs["scheduled"],
            "workers": sum(queue.workers.values()),
        },
        "events": [status.to_dict() for status in (*shown.ending, *shown.live)],
        "deliveries": {
            kind: [asdict(record) | {"error": why(record)} for record in getattr(shown, kind)]
            for kind in ("dead", "owed", "settled")
        },
        "errors": [asdict(one) for one in failing(counters, tuple(state.deliverer.channels))],
    }


def _own(state: AppState) -> dict[str, Any]:
    presence = state.presence
    counts = sorted(presence.counts().items(), key=lambda item: (-item[1], item[0]))
    return {
        "now": time.time(),
        "totals": {"clients": presence.total(), "live": len(counts)},
        "queue": None,
        "events": [presence.status(event).to_dict() for event, _ in counts[:EVENTS]],
        "deliveries": None,
        "errors": None,
    }
