"""The extension: what an application calls."""

from __future__ import annotations

import os
import secrets
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from flask import Flask, current_app

from .errors import ConfigurationError, NotRegisteredError, StoreError
from .event import EventStatus, check_delay, check_event_id, check_loader, check_viewer_id
from .problems import line
from .settings import Settings
from .state import KEY, AppState, state_of
from .telemetry.logs import log
from .viewers import Named

if TYPE_CHECKING:
    from prometheus_flask_exporter import PrometheusMetrics

    from .loading import EventLoader, ViewerLoader
    from .notices.base import Channel
    from .store.base import GuestAct

_E = TypeVar("_E", bound="EventLoader")
_V = TypeVar("_V", bound="ViewerLoader")

#: Events read from the store at a time.
PAGE = 500


class StreamEnd:
    """Tells a stream's host, once, when the last viewer has left.

    ::

        streamend = StreamEnd()
        app.register_extension(streamend)      # or StreamEnd(app), or streamend.init_app(app)

    One instance may serve many applications; what belongs to one lies in
    ``app.extensions["streamend"]``. Methods that take an event id raise
    :class:`~flask_streamend.EventIdError` where it can't be one. While Redis is away counts are
    this process's viewers only, and to order an end raises :class:`~flask_streamend.StoreError`.

    :param app: register on this application now; an event loader may stand here instead.
    :param event_loader: returns an :class:`~flask_streamend.Event` for an id, or None.
    :param viewer_loader: returns a viewer's id, in the request's context; None refuses.
    :param channels: ways to tell a host beside e-mail; one named ``email`` takes its place.
    :param metrics: the application's own ``PrometheusMetrics``, where it has one.
    """

    def __init__(
        self,
        app: Flask | EventLoader | None = None,
        event_loader: EventLoader | None = None,
        viewer_loader: ViewerLoader | None = None,
        channels: Iterable[Channel] | None = None,
        metrics: PrometheusMetrics | None = None,
    ) -> None:
        if app is not None and not isinstance(app, Flask):
            app, event_loader = None, app  # StreamEnd(load_event): the loader comes first
        self.event_loader_function = event_loader and check_loader(event_loader)
        self.viewer_loader_function = viewer_loader and check_loader(viewer_loader)
        self.channels = channels
        self.metrics = metrics
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()
        if app is not None:
            self.init_app(app)

    def event_loader(self, function: _E) -> _E:
        """Set the event loader; a decorator."""
        self.event_loader_function = check_loader(function)
        return function

    def viewer_loader(self, function: _V) -> _V:
        """Set the viewer loader; a decorator."""
        self.viewer_loader_function = check_loader(function)
        return function

    def init_app(self, app: Flask) -> None:
        """Register on an application: read its settings, wire the parts, add the routes.

        :raises ConfigurationError: where a setting can't be used, a route is taken, or the
            extension is registered already.
        """
        from .drain import install
        from .web import add_pages
        from .wiring import build

        if KEY in app.extensions:
            raise ConfigurationError(
                f"StreamEnd is already registered on the application {app.name!r}: use that one,"
                " or call init_app once"
            )
        settings = Settings.from_config(app.config)
        state = build(app, settings, self)
        add_pages(app, state)
        install(state)
        _warn(app, settings)
        app.extensions[KEY] = state
        self._apps.add(app)

    # Who watches.

    def event_clients(self, event_id: str) -> int:
        """Return how many viewers an event has now, over all processes."""
        return self.event_status(event_id).clients

    def total_clients(self) -> int:
        """Return how many viewers all events have now, over all processes."""
        state = self._state()
        try:
            state.presence.flush()
            return state.presence.total() if state.contact.away else state.store.totals(0).clients
        except StoreError:
            return state.presence.total()

    def event_status(self, event_id: str) -> EventStatus:
        """Return how an event stands."""
        check_event_id(event_id)
        state = self._state()
        try:
            state.presence.flush()
            if not state.contact.away:
                return state.store.status([event_id])[0]
        except StoreError as error:
            state.contact.lost(error)
        return state.presence.status(event_id)

    def events(self) -> Iterator[EventStatus]:
        """Yield how each event stands that is live or ending, in no order."""
        state = self._state()
        seen: set[str] = set()
        try:
            state.presence.flush()
            ids = iter(()) if state.contact.away else state.store.event_ids()
            while page := list(islice(ids, PAGE)):
                for status in state.store.status(page):
                    if status.state != "idle":
                        seen.add(status.event_id)
                        yield status
        except StoreError as error:
            state.contact.lost(error)
        if state.contact.away:
            own = (state.presence.status(event_id) for event_id in state.presence.counts())
            yield from (status for status in own if status.event_id not in seen)

    # Viewers without our socket.

    @contextmanager
    def viewing(self, event_id: str, viewer_id: str | None = None) -> Iterator[None]:
        """Count a viewer for as long as the context lasts: around any streamed response.

        :param viewer_id: who it is: counted among the event's unique viewers. None: not counted.
        """
        check_event_id(event_id)
        state = self._state()
        delay = state.loading.event(event_id).grace(state.settings.delay)
        with state.presence.viewing(event_id, Named(state.sealer.name(viewer_id)), delay):
            yield

    def join(self, event_id: str, viewer_id: str) -> None:
        """Note that a viewer came, from another socket's or server's callback; repeats don't count.

        Without a :meth:`leave` the viewer is gone after STREAMEND_HOOK_TTL.
        """
        self._guest("join", event_id, viewer_id, self._state().settings.hook_ttl)

    def leave(self, event_id: str, viewer_id: str) -> None:
        """Note that a viewer who joined, or was seen, left; repeats don't count."""
        self._guest("leave", event_id, viewer_id, 0)

    def seen(self, event_id: str, viewer_id: str, ttl: float = 30) -> None:
        """Note that a player fetched something: it watches until ``ttl`` seconds from now.

        :param ttl: seconds, from 1 to 86,400; longer than the pause between two fetches.
        """
        if not 1 <= ttl <= 86_400:
            raise ValueError(f"ttl is {ttl!r}: expected a number of seconds from 1 to 86,400")
        self._guest("seen", event_id, viewer_id, ttl)

    def _guest(self, act: GuestAct, event_id: str, viewer_id: str, ttl: float) -> None:
        check_event_id(event_id)
        state = self._state()
        delay = int(state.loading.event(event_id).grace(state.settings.delay) * 1000)
        guest, *before = state.sealer.pseudonyms(check_viewer_id(viewer_id))
        state.guests.note(act, event_id, guest, ttl, secrets.token_hex(8), delay)
        for other in before:  # who came before the keys were rotated is there once
            state.guests.note("leave", event_id, other, 0, "", delay)

    def join_token(self, event_id: str, viewer_id: str, expires: float = 86_400) -> str:
        """Return a signed token with which the socket lets a viewer in: ``/ws/<event>?token=…``.

        :param expires: seconds it is good for, up to 30 days.
        :raises ValueError: where ``viewer_id`` is nobody's, as None is.
        """
        check_event_id(event_id)
        return self._state().tokens.make(event_id, viewer_id, expires)

    # Ends.

    def schedule_end(self, event_id: str, delay: float | None = None) -> EventStatus:
        """Look again after a delay, and end the event if nobody is there.

        No viewer need ever have come. With viewers there now, the last leave begins the grace
        period as always.

        :raises StoreError: where the store does not answer.
        :param delay: seconds, 0 to 86,400; None: the event's grace period.
        """
        check_event_id(event_id)
        state = self._state()
        if delay is None:
            delay = state.loading.event(event_id).grace(state.settings.delay)
        check_delay(delay, "delay")
        state.presence.flush()
        end = state.spans.begin(event_id)
        report = state.store.schedule(
            event_id, secrets.token_hex(8), int(delay * 1000), "" if end is None else end.context
        )
        state.endings.reported(report, None if end is None else {event_id: end})
        state.observers.reported(report)
        return state.store.status([event_id])[0]

    def end_event(self, event_id: str) -> bool:
        """End an event now, without grace: the host pressed stop. Its sockets are closed with 4000.

        :returns: False where the event has no session that could end.
        :raises StoreError: where the store does not answer.
        """
        from . import signals
        from .store.base import Change, Over

        check_event_id(event_id)
        state = self._state()
        state.presence.flush()
        end = state.spans.begin(event_id)
        ended = state.store.finish(event_id, Change.STOPPED, "" if end is None else end.context)
        if ended is None:
            return False
        if end is not None:
            end.stopped(ended)
        now = state.presence.heard.at_least(ended.due)
        state.presence.over(Over(event_id, ended.session, Change.STOPPED, ended.due), now)
        state.observers.now(signals.event_ended, **ended.what())
        state.endings.decided(ended, now)
        return True

    def purge(self, event_id: str) -> bool:
        """Remove an event's session, and what dead holders and hooks left of it; nobody is told.

        Sockets that are really open are counted again at the next report, as a new session.

        :returns: False where the event has no session.
        :raises StoreError: where the store does not answer.
        """
        from .store.base import Change, Over

        check_event_id(event_id)
        state = self._state()
        ended = state.store.finish(event_id, Change.PURGED)
        if ended is None:
            return False
        state.presence.over(Over(event_id, ended.session, Change.PURGED), ended.due)
        state.endings.let_go([ended.session])
        state.spans.forget([ended.session])
        return True

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


def _warn(app: Flask, settings: Settings) -> None:
    """Say once, at the start, what would make a notice useless, unsent, or a page not be there."""
    if "RQ_JOB_ID" in os.environ:
        return  # a worker's fork: it was said when the worker, and the site, started
    quiet = app.debug or app.testing
    if not quiet and "FRONTEND_URL" not in app.config and not os.environ.get("FRONTEND_URL"):
        log.warning(line("frontend-url"))
    if app.config.get("MAIL_DEFAULT_SENDER") is None:
        log.warning(line("mail-sender"))
    if app.config.get("MAIL_SUPPRESS_SEND", app.testing):
        log.warning(line("mail-suppressed"))
    if settings.status_page and settings.api_token is None:
        log.warning(line("status-page-shut"))
