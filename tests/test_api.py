"""The JSON pages and their token, and who owns the paths of health and metrics."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from prometheus_client import CollectorRegistry
from prometheus_flask_exporter import PrometheusMetrics
from werkzeug.test import TestResponse

from flask_streamend import ConfigurationError, StreamEnd
from flask_streamend.viewers import Silent

from .apps.local import make_app, state
from .ground import Ground
from .servers import eventually

TOKEN = "s3cret_token-~.+/=="
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PAGES = ("/streamend/events", "/streamend/events/jam", "/streamend/deliveries")


@pytest.fixture
def app(redis_url: str) -> Iterator[Flask]:
    """Return an application whose JSON pages have a token."""
    app = make_app(redis_url, STREAMEND_API_TOKEN=TOKEN)
    yield app
    state(app).keeper.stop()


def get(app: Flask, path: str, **headers: str) -> TestResponse:
    """Return an application's answer."""
    return app.test_client().get(path, headers=headers)


def basic(name: str, password: str) -> dict[str, str]:
    """Return the header with which a browser says who it is."""
    both = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {both}"}


@pytest.mark.parametrize("path", PAGES)
def test_without_a_token_set_there_is_no_such_page(path: str) -> None:
    """Until STREAMEND_API_TOKEN is set the pages are not there, whoever asks."""
    app = make_app()
    for headers in ({}, BEARER):
        response = get(app, path, **headers)
        assert (response.status_code, response.json["error"]) == (404, "not-found")  # type: ignore[index]
    state(app).keeper.stop()


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer"},
        {"Authorization": "Digest username=x"},
        {"Authorization": "Basic not-base64!"},
        basic(TOKEN, ""),
        basic("anybody", "wrong"),
    ],
)
def test_who_does_not_have_the_token_is_refused(
    app: Flask, path: str, headers: dict[str, str]
) -> None:
    """A missing or wrong token gets 401, with what browsers need to ask for it."""
    response = get(app, path, **headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Basic ")
    assert response.json is not None
    assert response.json["error"] == "unauthorized"


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("headers", [BEARER, basic("anybody", TOKEN), basic("", TOKEN)])
def test_the_token_opens_as_bearer_and_as_password(
    app: Flask, path: str, headers: dict[str, str]
) -> None:
    """Tools send the token as Bearer, browsers as the password of any name."""
    assert get(app, path, **headers).status_code == 200


@pytest.mark.parametrize("token", ["s3cret-töken", "a=b", "two words"])
def test_a_token_no_header_can_carry_is_refused_at_the_start(token: str) -> None:
    """What Authorization: Bearer can't carry (RFC 6750, 2.1) is no token, rather than a 401."""
    with pytest.raises(ConfigurationError) as caught:
        make_app(STREAMEND_API_TOKEN=token)
    assert "STREAMEND_API_TOKEN" in str(caught.value)
    assert token not in str(caught.value)


def test_events_are_shown_as_their_status(app: Flask) -> None:
    """The events page has what is live or ending; an event's page also one that is idle."""
    presence, streamend = state(app).presence, state(app).extension
    with app.app_context():
        streamend.schedule_end("ending", 600)
        with presence.viewing("live", Silent(), 30):
            page = get(app, "/streamend/events", **BEARER).json
            live = streamend.event_status("live").to_dict()
    assert page is not None
    rows = {row["event_id"]: row for row in page["events"]}
    assert set(rows) == {"live", "ending"}
    assert rows["live"] == live
    assert (rows["live"]["state"], rows["live"]["clients"], rows["live"]["peak"]) == ("live", 1, 1)
    assert rows["ending"]["due_at"] == pytest.approx(rows["ending"]["started_at"] + 600, abs=1)
    assert get(app, "/streamend/events/nobody", **BEARER).json == {
        **{"event_id": "nobody", "state": "idle", "clients": 0, "session": None},
        **{"started_at": None, "due_at": None, "peak": 0, "unique_viewers": None},
    }
    bad = get(app, "/streamend/events/not an id", **BEARER)
    assert (bad.status_code, bad.json["error"]) == (400, "bad-event-id")  # type: ignore[index]


def test_deliveries_are_shown_without_addresses(app: Flask) -> None:
    """The deliveries page has the ledger's records, the newest settled first."""
    app.config["MAIL_SUPPRESS_SEND"] = True
    with app.app_context():
        state(app).extension.schedule_end("jam", 0)
        eventually(lambda: state(app).store.look(None).ready, "the end is due")
        state(app).deliverer.deliver_due()
        state(app).extension.schedule_end("gig", 0)
        eventually(lambda: state(app).store.claim(1), "the other ended")
    response = get(app, "/streamend/deliveries", **BEARER)
    assert response.json is not None
    rows: list[dict[str, Any]] = response.json["deliveries"]
    assert [(row["event_id"], row["state"], row["error"]) for row in rows] == [
        ("gig", "pending", ""),
        ("jam", "skipped", "suppressed"),
    ]
    assert rows[1]["settled_at"] >= rows[1]["due_at"]
    assert "example.org" not in response.text


@pytest.mark.parametrize("path", PAGES)
def test_without_the_store_the_pages_say_so(path: str) -> None:
    """While Redis is away the pages answer 503 with the problem's code."""
    app = make_app(STREAMEND_API_TOKEN=TOKEN)
    response = get(app, path, **BEARER)
    assert (response.status_code, response.json["error"]) == (503, "redis-away")  # type: ignore[index]
    state(app).keeper.stop()


def test_a_prefix_stands_before_the_extension_s_routes(ground: Ground) -> None:
    """With STREAMEND_URL_PREFIX socket and pages are under it; health and metrics stay."""
    site = ground.site(STREAMEND_URL_PREFIX="/live", STREAMEND_API_TOKEN="t")
    for path, status in {
        **{"/live/ws/jam": 426, "/ws/jam": 404, "/live/streamend/streamend.js": 200},
        **{"/streamend/streamend.js": 404, "/live/streamend/events": 401},
        **{"/streamend/events": 404, "/health/live": 200, "/metrics": 200},
    }.items():
        assert site.get(path)[0] == status, path
    viewer = site.watch("jam", "/live")
    ground.wait("jam", "live", 1)
    viewer.close()


def own_page(app: Flask, path: str) -> None:
    """Have an application serve a path itself."""
    app.add_url_rule(path, "my_own_page", lambda: "mine")


@pytest.mark.parametrize("page", ["health", "metrics"])
def test_a_path_that_is_taken_is_an_error_that_names_both(page: str) -> None:
    """Where the application serves the path already, registering stops and says what to set."""
    app = Flask(__name__)
    own_page(app, f"/{page}")
    app.config.update(SECRET_KEY="tests", STREAMEND_REDIS_URL="memory://")
    with pytest.raises(ConfigurationError) as caught:
        StreamEnd(app)
    for words in (f"/{page}", "my_own_page", "flask_streamend", f"STREAMEND_{page.upper()}_PATH"):
        assert words in str(caught.value)


@pytest.mark.parametrize("page", ["health", "metrics"])
def test_a_path_that_is_taken_later_is_an_error_too(page: str) -> None:
    """A route the application adds after the extension is not shadowed silently."""
    app = make_app(STREAMEND_REDIS_URL="memory://", TESTING=True)
    with pytest.raises(ConfigurationError) as caught:  # noqa: PT012 - at the rule or at a request
        own_page(app, f"/{page}")
        app.test_client().get("/anything")
    for words in (f"/{page}", "my_own_page", "flask_streamend", f"STREAMEND_{page.upper()}_PATH"):
        assert words in str(caught.value)


@pytest.mark.parametrize("page", ["health", "metrics"])
@pytest.mark.parametrize("path", [None, "/elsewhere"])
def test_a_page_can_be_moved_or_left_out(page: str, path: str | None) -> None:
    """With the path changed or None the application's own page is served."""
    app = Flask(__name__)
    own_page(app, f"/{page}")
    app.config.update(SECRET_KEY="tests", STREAMEND_REDIS_URL="memory://")
    app.config[f"STREAMEND_{page.upper()}_PATH"] = path
    StreamEnd(app)
    assert get(app, f"/{page}").text == "mine"
    if path is not None:
        assert get(app, path).status_code == 200
    state(app).keeper.stop()


def test_an_application_s_own_exporter_shows_ours_too() -> None:
    """Given the application's PrometheusMetrics, its registry and its page have all of it, once."""
    app = Flask(__name__)
    app.config.update(SECRET_KEY="tests", STREAMEND_REDIS_URL="memory://")
    metrics = PrometheusMetrics(app, path="/prom", registry=CollectorRegistry())
    StreamEnd(app, metrics=metrics)
    app.add_url_rule("/hello", "hello", lambda: "hello")
    get(app, "/hello")
    get(app, "/ws/jam")
    with state(app).presence.viewing("jam", Silent(), 30):
        page = get(app, "/prom").text
    lines = page.splitlines()
    assert 'streamend_event_clients{event_id="jam"} 1.0' in lines
    assert lines.count("# TYPE streamend_clients gauge") == 1
    assert 'flask_http_request_total{method="GET",status="200"} 1.0' in lines
    assert "/ws/jam" not in page
    assert get(app, "/metrics").status_code == 404
    state(app).keeper.stop()
