"""JSON for tools and dashboards, behind STREAMEND_API_TOKEN."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from itertools import islice
from typing import Any

from flask import Blueprint, Response, request

from ..access import bad_event_id, problem
from ..errors import StoreError
from ..state import AppState

#: Rows of a page at the most.
MOST = 1000


def register(blueprint: Blueprint, state: AppState) -> None:
    """Add the API's routes; they answer 404 while no token is set."""
    streamend = state.extension

    def events() -> Any:
        return whole({"events": [status.to_dict() for status in islice(streamend.events(), MOST)]})

    def event(event_id: str) -> Any:
        refusal = bad_event_id(event_id)
        if refusal is not None:
            return refusal.response()
        return whole(streamend.event_status(event_id).to_dict())

    def whole(page: dict[str, Any]) -> dict[str, Any]:
        if state.contact.away:
            raise StoreError("what this process knows by itself is not the whole")
        return page

    def deliveries() -> Any:
        return {"deliveries": [asdict(record) for record in state.store.records(MOST)]}

    def away(_error: StoreError) -> Response:
        return problem(503, "redis-away", "Redis does not answer.")

    blueprint.register_error_handler(StoreError, away)
    blueprint.add_url_rule("/streamend/events", "events", guarded(state, events))
    blueprint.add_url_rule("/streamend/events/<path:event_id>", "event", guarded(state, event))
    blueprint.add_url_rule("/streamend/deliveries", "deliveries", guarded(state, deliveries))


def guarded(state: AppState, view: Callable[..., Any]) -> Callable[..., Any]:
    """Return a view for who has STREAMEND_API_TOKEN only: 404 while none is set, else 401."""

    @wraps(view)
    def guard(**arguments: str) -> Any:
        return _shut(state.settings.api_token) or view(**arguments)

    return guard


def _shut(token: str | None) -> Response | None:
    """Return the answer to who may not read this, else None."""
    if token is None:
        return problem(404, "not-found", "There is no such page: STREAMEND_API_TOKEN is not set.")
    try:
        given = request.authorization
    except ValueError:
        given = None  # Werkzeug trips over a Basic that is not ASCII
    secret = "" if given is None else given.token or given.password or ""
    if hmac.compare_digest(secret.encode(), token.encode()):
        return None
    response = problem(401, "unauthorized", "This page wants STREAMEND_API_TOKEN.")
    response.headers["WWW-Authenticate"] = 'Basic realm="flask_streamend"'
    return response
