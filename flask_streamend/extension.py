"""The extension: the only place where the parts are wired together."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Blueprint, Flask, current_app, jsonify

from .errors import ConfigurationError, NotRegisteredError
from .event import EventStatus, check_event_id
from .settings import Settings
from .state import KEY, AppState, state_of
from .telemetry.logs import make_visible

if TYPE_CHECKING:
    from prometheus_flask_exporter import PrometheusMetrics

    from .loading import EventLoader, ViewerLoader

_L = TypeVar("_L")


class StreamEnd:
    """Tells a stream's host, once, when the last viewer has left.

    ::

        streamend = StreamEnd()
        app.register_extension(streamend)      # or StreamEnd(app), or streamend.init_app(app)

    One instance may serve many applications; what belongs to one lies in
    ``app.extensions["streamend"]``.

    :param app: register on this application now.
    :param event_loader: returns an :class:`~flask_streamend.Event` for an id, or None.
    :param viewer_loader: returns a viewer's id, in the request's context; None refuses.
    :param channels: the ways to tell a host; default: e-mail.
    :param metrics: the application's own ``PrometheusMetrics``, where it has one.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        event_loader: EventLoader | None = None,
        viewer_loader: ViewerLoader | None = None,
        channels: Any = None,
        metrics: PrometheusMetrics | None = None,
    ) -> None:
        self.event_loader_function = event_loader
        self.viewer_loader_function = viewer_loader
        self._channels = channels
        self._metrics = metrics
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()
        if app is not None:
            self.init_app(app)

    def event_loader(self, function: _L) -> _L:
        """Set the event loader; a decorator."""
        self.event_loader_function = function  # type: ignore[assignment]
        return function

    def viewer_loader(self, function: _L) -> _L:
        """Set the viewer loader; a decorator."""
        self.viewer_loader_function = function  # type: ignore[assignment]
        return function

    def init_app(self, app: Flask) -> None:
        """Register on an application: read its settings, wire the parts, add the routes.

        :raises ConfigurationError: where a setting can't be used, or it is registered already.
        """
        if KEY in app.extensions:
            raise ConfigurationError(
                f"StreamEnd is already registered on the application {app.name!r}: use that one,"
                f" or call init_app once"
            )
        settings = Settings.from_config(app.config)
        state = self._wire(app, settings)
        app.extensions[KEY] = state
        self._apps.add(app)
        self._start_with_first_request(app, state)
        app.register_blueprint(self._blueprint(state), url_prefix=settings.url_prefix or None)
        self._add_pages(app, state)

    def _wire(self, app: Flask, settings: Settings) -> AppState:
        from .alarms import RQAlarms
        from .loading import Loading
        from .notices.deliverer import Deliverer
        from .sealing import Sealer, keys_for
        from .store.redis import GLANCE_TIMEOUT, RedisStore, connect
        from .telemetry.tally import Tally

        sealer = Sealer(keys_for(settings.encryption_keys, app.config.get("SECRET_KEY")))
        redis = connect(settings.redis_url)
        store = RedisStore(redis, settings.namespace)
        tally = Tally(store)
        alarms = RQAlarms(redis, settings.namespace, settings.queue, sealer, tally)
        loading = Loading(app, lambda: self.event_loader_function, tally)
        state = AppState(
            extension=self,
            settings=settings,
            sealer=sealer,
            redis=redis,
            store=store,
            glance=RedisStore(
                connect(settings.redis_url, GLANCE_TIMEOUT, connections=4), settings.namespace
            ),
            tally=tally,
            loading=loading,
            alarms=alarms,
            deliverer=Deliverer(settings, store, alarms, loading, tally),
        )
        _renew(state)
        # A child process has none of its parent's sockets and threads: it begins anew.
        os.register_at_fork(after_in_child=_forked(weakref.ref(state)))
        return state

    @staticmethod
    def _start_with_first_request(app: Flask, state: AppState) -> None:
        def start() -> None:
            if not state.keeper.started:
                make_visible()
                state.keeper.start()

        # First of all, so that a request which another hook answers starts it too.
        app.before_request_funcs.setdefault(None, []).insert(0, start)

    @staticmethod
    def _blueprint(state: AppState) -> Blueprint:
        from . import websocket

        blueprint = Blueprint(KEY, __package__ or "flask_streamend", template_folder="templates")
        websocket.register(blueprint)
        return blueprint

    def _add_pages(self, app: Flask, state: AppState) -> None:
        from .telemetry.collector import StoreCollector
        from .web.health import Health
        from .web.metrics import add_metrics

        settings = state.settings

        def own() -> dict[str, int]:
            return state.presence.clients()  # asked late: a fork gets a presence of its own

        glance_redis = state.glance.redis  # type: ignore[attr-defined]
        health = Health(state.glance, glance_redis, settings.queue, lambda: sum(own().values()))
        collector = StoreCollector(state.glance, settings.metrics_max_events, own, state.flush)
        if settings.health_path is not None:

            def health_page() -> Any:
                page = health.report()
                return jsonify(page), 200 if page["status"] == "ok" else 503

            app.add_url_rule(settings.health_path, "streamend_health", health_page)
        add_metrics(app, settings.metrics_path, collector, self._metrics)

    # What an application asks.

    def event_clients(self, event_id: str) -> int:
        """Return how many viewers an event has now, over all processes.

        :raises EventIdError: where the id can't be one.
        :raises StoreError: where the store does not answer.
        """
        return self.event_status(event_id).clients

    def total_clients(self) -> int:
        """Return how many viewers all events have now, over all processes.

        :raises StoreError: where the store does not answer.
        """
        state = self._state()
        state.presence.flush()
        return state.store.totals(0).clients

    def event_status(self, event_id: str) -> EventStatus:
        """Return how an event stands.

        :raises EventIdError: where the id can't be one.
        :raises StoreError: where the store does not answer.
        """
        check_event_id(event_id)
        state = self._state()
        state.presence.flush()
        return state.store.status([event_id])[0]

    @contextmanager
    def viewing(self, event_id: str, viewer_id: str | None = None) -> Iterator[None]:
        """Count a viewer for as long as the context lasts: around any streamed response.

        :param viewer_id: who it is, for the application's own use.
        :raises EventIdError: where the id can't be one.
        """
        check_event_id(event_id)
        state = self._state()
        found = state.loading.event(event_id)
        default = state.settings.delay
        delay = found.event.grace(default) if found.event is not None else default
        with state.presence.viewing(event_id, delay):
            yield

    def _state(self) -> AppState:
        """Return the state of the current application, else of the only one there is."""
        if current_app:
            return state_of(current_app)
        apps = list(self._apps)
        if len(apps) == 1:
            return state_of(apps[0])
        raise NotRegisteredError(
            f"StreamEnd serves {len(apps)} applications: use it within app.app_context(), so that"
            " it knows which one is meant"
        )


def _renew(state: AppState) -> None:
    """Give a process its own holder, timers and keeper."""
    from .ending import Endings
    from .keeper import Keeper
    from .presence import Presence
    from .timer import Timer

    def failed(error: Exception) -> None:
        state.tally.error("store")

    endings = Endings(state.alarms, Timer())
    state.keeper = Keeper(failed)
    state.presence = Presence(
        state.store, endings, state.tally, state.settings.lease, state.keeper.wake
    )
    state.keeper.add(state.presence.tick)
    state.keeper.add(endings.tick)
    state.keeper.add(state.tick_tally)


def _forked(reference: weakref.ref[AppState]) -> Any:
    def after_in_child() -> None:
        state = reference()
        if state is not None:
            _renew(state)

    return after_in_child
