"""The pages the extension serves, and what a process does at its first request."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Flask, request

from .. import __version__, websocket
from ..capacity import gunicorn_worker, look
from ..condition import Condition
from ..errors import ConfigurationError
from ..heap import settle
from ..hooks.way_in import register as register_hooks
from ..problems import line
from ..state import KEY, AppState
from ..telemetry.collector import StoreCollector
from ..telemetry.logs import log, make_visible
from ..telemetry.queues import QueueView, look_at_queue
from .api import register as register_api
from .health import register_health
from .metrics import add_metrics
from .script import register as register_script
from .status import register as register_status


def add_pages(app: Flask, state: AppState) -> None:
    """Add the extension's routes to an application.

    :raises ConfigurationError: where the path of a page is taken, naming both owners.
    """
    settings = state.settings
    prefix = settings.url_prefix or None
    _start_with_first_request(app, state)

    websocket.register(app, prefix, state)

    pages = Blueprint(KEY, "flask_streamend", template_folder="templates")
    register_api(pages, state)
    register_script(pages)
    register_hooks(pages, state)
    condition = Condition(state)
    register_status(pages, state, condition)
    app.register_blueprint(pages, url_prefix=prefix)

    if settings.health_path is not None:
        check_free(app, settings.health_path, "STREAMEND_HEALTH_PATH")
        register_health(app, settings.health_path, state, condition)
    collector = StoreCollector(
        settings.metrics_max_events,
        state,
        lambda: _queue_of(state),
        __version__,
        tuple(state.deliverer.channels),
    )
    if settings.metrics_path is not None and state.extension.metrics is None:
        check_free(app, settings.metrics_path, "STREAMEND_METRICS_PATH")
    add_metrics(app, settings.metrics_path, collector, state.extension.metrics)


def _queue_of(state: AppState) -> QueueView | None:
    redis = state.glance_redis
    return None if redis is None else look_at_queue(redis, state.settings.queue)


def look_at_server(state: AppState, environ: Mapping[str, Any]) -> None:
    """Log how many viewers this process has room for, and note what its server can't do."""
    capacity = state.capacity = look(environ)
    found = [capacity.problem] if capacity.problem else []
    if state.settings.in_memory and environ.get("wsgi.multiprocess"):
        found.append("memory-multiprocess")
    for code in found:
        state.problems[code] = time.time()
        log.error(line(code))
    if not capacity.problem and environ.get("SERVER_SOFTWARE"):
        log.info("This process has %s", capacity)


def check_own(app: Flask, state: AppState) -> None:
    """Check that no rule came later for a page that the extension serves.

    :raises ConfigurationError: naming both owners and the setting to change.
    """
    settings = state.settings
    for path, key, own in (
        (settings.health_path, "STREAMEND_HEALTH_PATH", "streamend_health"),
        (settings.metrics_path, "STREAMEND_METRICS_PATH", "streamend_metrics"),
    ):
        if path is not None and own in app.view_functions:
            check_free(app, path, key, own)


def check_free(app: Flask, path: str, key: str, own: str = "") -> None:
    """Check that no rule but our own answers a path: of two, the first would win silently.

    :raises ConfigurationError: naming both owners and the setting to change.
    """
    for rule in app.url_map.iter_rules():
        if rule.rule == path and "GET" in (rule.methods or ()) and rule.endpoint != own:
            raise ConfigurationError(
                f"{path} is already served by the endpoint {rule.endpoint!r}, and flask_streamend"
                f" would serve it too: set {key} to another path, or to None for no page"
            )


def _start_with_first_request(app: Flask, state: AppState) -> None:
    """Start the keeper with a process's first request, of any route.

    Not before: a command, an RQ worker and gunicorn's master have none.
    """

    def start() -> None:
        if not state.keeper.started:
            check_own(app, state)
            make_visible()
            state.keeper.start()
            look_at_server(state, request.environ)
            if gunicorn_worker() is not None:
                settle()

    # First of all, so that a request which another hook answers starts it too.
    app.before_request_funcs.setdefault(None, []).insert(0, start)
