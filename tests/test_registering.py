"""Registering on an application, and what is said where that went wrong."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from flask import Flask

from flask_streamend import (
    ConfigurationError,
    Event,
    EventIdError,
    NotRegisteredError,
    PermanentError,
    StreamEnd,
)

from .apps.local import NO_REDIS, make_app, state


def bare(**config: Any) -> Flask:
    """Return an application without the extension."""
    app = Flask("bare")
    app.config.update(SECRET_KEY="tests", STREAMEND_REDIS_URL=NO_REDIS, **config)
    return app


def rules(app: Flask) -> set[str]:
    """Return an application's rules."""
    return {rule.rule for rule in app.url_map.iter_rules()}


def test_register_extension_returns_the_extension() -> None:
    """``app.register_extension(ext)`` registers it and returns it."""
    app, streamend = bare(), StreamEnd()
    assert app.register_extension(streamend) is streamend  # type: ignore[attr-defined]
    assert app.extensions["streamend"].extension is streamend
    assert {"/ws/<path:event_id>", "/health", "/metrics"} <= rules(app)


def test_the_ordinary_ways_register_the_same() -> None:
    """``StreamEnd(app)`` and ``init_app`` add what ``register_extension`` adds."""
    first, second, third = bare(), bare(), bare()
    StreamEnd(first)
    StreamEnd().init_app(second)
    third.register_extension(StreamEnd())  # type: ignore[attr-defined]
    assert rules(first) == rules(second) == rules(third)


def test_a_factory_registers_the_module_s_extension() -> None:
    """An extension beside a factory serves each application the factory makes."""
    module = import_module("tests.apps.factory")
    apps = [module.create_app(), module.create_app()]
    assert [app.extensions["streamend"].extension for app in apps] == [module.streamend] * 2


def test_settings_move_and_remove_the_pages() -> None:
    """Paths and prefix come from the settings; None turns a page off."""
    app = make_app(
        STREAMEND_URL_PREFIX="/live", STREAMEND_HEALTH_PATH="/up", STREAMEND_METRICS_PATH=None
    )
    found = rules(app)
    assert {"/live/ws/<path:event_id>", "/up"} <= found
    assert found.isdisjoint({"/health", "/metrics", "/ws/<path:event_id>"})


def test_one_extension_serves_two_applications(redis_url: str) -> None:
    """Two applications with one StreamEnd have settings, stores and viewers of their own."""
    streamend = StreamEnd()
    apps = [
        bare(STREAMEND_NAMESPACE=name, STREAMEND_DELAY=delay)
        for name, delay in (("a", 1), ("b", 2))
    ]
    for app in apps:
        app.config["STREAMEND_REDIS_URL"] = redis_url
        streamend.init_app(app)
    one, two = apps
    assert (state(one).settings.delay, state(two).settings.delay) == (1, 2)
    with one.app_context(), streamend.viewing("jam"):
        assert streamend.event_clients("jam") == streamend.total_clients() == 1
        with two.app_context():
            assert streamend.event_clients("jam") == streamend.total_clients() == 0
    with one.app_context():
        status = streamend.event_status("jam")
    assert (status.state, status.clients, status.peak) == ("ending", 0, 1)
    assert status.due_at is not None
    assert status.started_at is not None
    assert status.due_at >= status.started_at + 1


def test_a_second_registration_is_an_error_with_a_cure() -> None:
    """A second ``init_app`` on one application raises and says what to do."""
    app = make_app()
    first = state(app)
    with pytest.raises(ConfigurationError, match=r"'local'.*call init_app once"):
        StreamEnd(app)
    assert state(app) is first


def test_use_on_an_application_without_it_is_an_error_with_a_cure() -> None:
    """In the context of an application that has no StreamEnd, the error says how to add it."""
    streamend = StreamEnd()
    with bare().app_context(), pytest.raises(NotRegisteredError, match="register_extension"):
        streamend.event_clients("jam")


def test_use_where_the_application_is_not_clear_is_an_error_with_a_cure() -> None:
    """Without a context the only application is meant; with none or two the error says so."""
    streamend = StreamEnd()
    with pytest.raises(NotRegisteredError, match=r"0 applications: .*app\.app_context\(\)"):
        streamend.event_clients("jam")
    first = bare()
    streamend.init_app(first)
    assert streamend.event_clients("jam") == 0  # Redis is away: what this process knows
    second = bare()
    streamend.init_app(second)
    with pytest.raises(NotRegisteredError, match="2 applications"):
        streamend.event_clients("jam")


def test_use_with_a_bad_event_id_is_an_error() -> None:
    """An id that can't be one is refused before the store is asked."""
    app = make_app()
    streamend = state(app).extension
    with app.app_context():
        with pytest.raises(EventIdError):
            streamend.event_clients("not an id")
        with pytest.raises(EventIdError), streamend.viewing("_other"):
            pass


def test_the_loaders_are_decorators_that_return_the_function() -> None:
    """A loader stays an ordinary function, and can be set after ``init_app``."""
    app = bare()
    streamend = StreamEnd(app)

    @streamend.event_loader
    def load_event(event_id: str) -> Event | None:
        return Event(event_id, "late", "h", None)

    @streamend.viewer_loader
    def load_viewer(event_id: str) -> str | None:
        return None

    assert load_event("jam") == Event("jam", "late", "h", None)
    assert load_viewer("jam") is None
    response = app.test_client().get("/ws/jam")
    assert (response.status_code, response.get_json()["error"]) == (403, "viewer-refused")


def test_a_permanent_error_has_a_reason() -> None:
    """A channel's own error carries its reason; the default is that the server refused."""
    assert PermanentError("no").reason == "refused"
    assert PermanentError("no", "auth").reason == "auth"


def test_the_event_loader_may_come_first() -> None:
    """``StreamEnd(load_event)`` takes the loader, as ``StreamEnd(event_loader=…)`` does."""

    def load_event(event_id: str) -> None:
        return None

    assert StreamEnd(load_event).event_loader_function is load_event
    assert StreamEnd(event_loader=load_event).event_loader_function is load_event
