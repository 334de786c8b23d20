"""The status page's door, its files, and the data behind it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from redis import Redis

from flask_streamend.store.base import Outcome, Record
from flask_streamend.telemetry.words import WORDS, failing, why
from flask_streamend.viewers import Silent

from .apps.local import make_app, state
from .apps.store import LEASE, Web, end, take
from .test_api import BEARER, TOKEN, basic, get

PAGE = "/streamend/status"
PATHS = (PAGE, *(f"{PAGE}.{suffix}" for suffix in ("json", "css", "js", "svg")))
HOUR = 3_600_000


def make(redis_url: str, **config: Any) -> Flask:
    """Make an application with the page and a token."""
    return make_app(redis_url, STREAMEND_STATUS_PAGE=True, STREAMEND_API_TOKEN=TOKEN, **config)


@pytest.fixture
def app(redis_url: str) -> Iterator[Flask]:
    """Return an application with the page and a token."""
    app = make(redis_url)
    yield app
    state(app).keeper.stop()


def data(app: Flask) -> dict[str, Any]:
    """Return what the page is told."""
    response = get(app, f"{PAGE}.json", **BEARER)
    assert response.status_code == 200
    found: dict[str, Any] = response.get_json()
    return found


# Who gets it.


@pytest.mark.parametrize("path", PATHS)
def test_it_is_not_there_unless_asked_for(path: str) -> None:
    """Without STREAMEND_STATUS_PAGE there is no such route, not even for who has the token."""
    app = make_app(STREAMEND_API_TOKEN=TOKEN)
    assert get(app, path, **BEARER).status_code == 404
    assert path not in {rule.rule for rule in app.url_map.iter_rules()}
    state(app).keeper.stop()


@pytest.mark.parametrize("path", PATHS)
def test_without_a_token_it_stays_shut_and_the_start_says_so(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Asked for, but with no token set: a warning that names the key, and 404 with the reason."""
    with caplog.at_level(logging.WARNING, "flask_streamend"):
        app = make_app(STREAMEND_STATUS_PAGE=True)
    (line,) = (text for text in caplog.messages if text.startswith("status-page-shut: "))
    assert "STREAMEND_API_TOKEN" in line
    for headers in ({}, BEARER):
        response = get(app, path, **headers)
        assert response.status_code == 404
        assert "STREAMEND_API_TOKEN is not set" in response.get_json()["message"]
    state(app).keeper.stop()


@pytest.mark.parametrize("path", PATHS)
def test_who_does_not_have_the_token_is_asked_for_it(app: Flask, path: str) -> None:
    """A missing or wrong token gets 401 with what makes a browser ask."""
    for headers in ({}, {"Authorization": "Bearer wrong"}, basic("me", "wrong"), basic(TOKEN, "")):
        response = get(app, path, **headers)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("path", PATHS)
def test_the_token_opens_it(app: Flask, path: str) -> None:
    """The token opens it as Bearer, and as the password a browser sends."""
    for headers in (BEARER, basic("", TOKEN), basic("me", TOKEN)):
        assert get(app, path, **headers).status_code == 200


def test_it_stands_under_the_prefix(redis_url: str) -> None:
    """With STREAMEND_URL_PREFIX the page is under it, and what it loads beside it."""
    app = make(redis_url, STREAMEND_URL_PREFIX="/live")
    page = get(app, f"/live{PAGE}", **BEARER)
    assert page.status_code == 200
    for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert get(app, f"/live/streamend/{address}", **BEARER).status_code == 200
    assert get(app, PAGE, **BEARER).status_code == 404
    state(app).keeper.stop()


# What it is made of.


def test_it_brings_a_strict_policy_and_keeps_it(app: Flask) -> None:
    """Its own Content-Security-Policy allows files of this server only, and it needs no more."""
    page = get(app, PAGE, **BEARER)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["X-Frame-Options"] == "DENY"
    assert not re.search(r"<script(?![^>]*\ssrc=)|\sstyle=|<style|\son[a-z]+=", page.text)
    everything = [page.text, *(get(app, f"{PAGE}{s}", **BEARER).text for s in (".css", ".js"))]
    for text in everything:
        assert not re.search(r"(?:https?:)?//[a-z]", re.sub(r"^\s*//.*$", "", text, flags=re.M))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval", everything[2])


def test_its_files_are_asked_for_again_and_sent_once(app: Flask) -> None:
    """A browser keeps them and asks whether they changed; the data is never kept."""
    for path in (PAGE, f"{PAGE}.css", f"{PAGE}.js", f"{PAGE}.svg"):
        first = get(app, path, **BEARER)
        assert first.cache_control.no_cache
        again = get(app, path, **BEARER, **{"If-None-Match": first.headers["ETag"]})
        assert again.status_code == 304
    assert get(app, f"{PAGE}.json", **BEARER).cache_control.no_store


# What it is told.


def test_it_is_told_what_is_true(app: Flask, redis: Redis) -> None:
    """Events, deliveries, problems, errors and totals are those of the store."""
    store, presence = state(app).store, state(app).presence
    end(store, "lost", "again")
    for outcome, error in ((Outcome.DEAD, "550 no such user"), (Outcome.FAILED, "timed out")):
        delivery = take(store, "me").id
        assert store.sending(delivery, "me", LEASE)
        store.settle(delivery, "me", "email", outcome, error, HOUR, "other")
    Web(store, "of-soon", HOUR).visit("soon")
    with presence.viewing("jam", Silent(), 30), presence.viewing("jam", Silent(), 30):
        page = data(app)
    assert page["redis"] is True
    assert page["status"] == "degraded"
    cures = {problem["code"]: problem["message"] for problem in page["problems"]}
    assert "flask streamend worker" in cures["no-worker"]
    figures = ("clients", "live", "ending", "owed", "dead_letters", "paused")
    assert [page["totals"][figure] for figure in figures] == [2, 1, 1, 1, 1, 0]
    assert [(row["event_id"], row["state"]) for row in page["events"]] == [
        ("soon", "ending"),
        ("jam", "live"),
    ]
    seconds, _ = redis.time()
    assert page["now"] == pytest.approx(seconds, abs=60)
    assert 0 < page["events"][0]["due_at"] - page["now"] <= HOUR / 1000
    rows = {kind: [one["error"] for one in page["deliveries"][kind]] for kind in page["deliveries"]}
    assert rows == {"dead": ["550 no such user"], "owed": ["timed out"], "settled": []}
    assert [(one["text"], one["count"]) for one in page["errors"]] == [
        ("Attempt failed: something else (email)", 2)
    ]
    assert (page["queue"]["name"], page["queue"]["workers"]) == ("default", 0)


def test_what_it_is_told_is_bounded(app: Flask) -> None:
    """Of many events it has the busiest 100, of many deliveries 50, and how many there are."""
    store = state(app).store
    Web(store, "a").send({f"live{number:03}": number + 1 for number in range(150)})
    end(store, *(f"over{number}" for number in range(60)))
    page = data(app)
    assert len(page["events"]) == 100
    assert page["events"][0]["clients"] == 150
    assert page["totals"]["live"] == 150
    assert len(page["deliveries"]["owed"]) == 50
    assert page["totals"]["owed"] == 60


def test_without_redis_it_is_told_what_this_process_knows() -> None:
    """While Redis is away the data says so, with this process's own viewers and nothing else."""
    app = make("redis://127.0.0.1:1")
    with state(app).presence.viewing("jam", Silent(), 30):
        page = data(app)
    assert (page["redis"], page["status"]) == (False, "degraded")
    assert page["silent"] >= 0
    assert [problem["code"] for problem in page["problems"]] == ["redis-away"]
    assert page["totals"] == {"clients": 1, "live": 1}
    assert [(row["event_id"], row["clients"]) for row in page["events"]] == [("jam", 1)]
    assert (page["deliveries"], page["errors"], page["queue"]) == (None, None, None)
    state(app).keeper.stop()


def test_it_works_without_redis_at_all() -> None:
    """Under ``memory://`` the page shows the one process there is, and misses no worker."""
    app = make("memory://")
    with state(app).presence.viewing("jam", Silent(), 30):
        page = data(app)
    assert (page["redis"], page["memory"], page["problems"]) == (True, True, [])
    assert [row["event_id"] for row in page["events"]] == ["jam"]
    state(app).keeper.stop()


def test_who_was_skipped_is_said_in_words() -> None:
    """A skipped notice says why in words; of any other the error is shown as it was."""
    record = Record("d", "jam", "s", "email", "skipped", 0, "no_event", 0.0, None, 0.0)
    assert why(record) == "there is no such event"
    assert why(replace(record, state="dead", error="550 no_event")) == "550 no_event"


def test_every_failure_has_its_words() -> None:
    """Each reason that is counted is said in words, and none is said that is not counted."""
    for counter, _, words in WORDS:
        assert set(words) == set(counter.labels[-1][1]), counter.name
    fields = (
        counter.field(*values) for counter, _, _ in WORDS for values in counter.combinations()
    )
    counters = dict.fromkeys(fields, 1)
    assert {one.field for one in failing(counters)} == set(counters)
    assert list(failing(dict.fromkeys(counters, 0))) == []
