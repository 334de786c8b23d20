"""The examples of docs/access.md, with the real Flask-Login and over real sockets."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from flask_streamend import testing
from flask_streamend.testing import Refused, Stage

from .apps.local import make_app
from .apps.pages import ROOT, blocks, marked, text_of

PAGE = ROOT / "docs" / "access.md"


@pytest.fixture(scope="module")
def app() -> Flask:
    """Return the page's application."""
    names: dict[str, Any] = {"__name__": "members"}
    body = marked(PAGE, "file", "members.py").body
    exec(compile(body, "members.py", "exec"), names)
    members: Flask = names["app"]
    return members


@pytest.fixture
def stage(app: Flask) -> Iterator[Stage]:
    """Return it on stage."""
    with testing.live(app) as stage:
        yield stage


@pytest.fixture
def ann(app: Flask) -> FlaskClient:
    """Return the browser of somebody who is logged in."""
    client = app.test_client()
    assert client.post("/login", data={"name": "ann"}).status_code == 302
    return client


def refused(stage: Stage, client: FlaskClient, **options: str) -> str:
    """Return the code of the refusal a client gets."""
    with pytest.raises(Refused) as caught, stage.socket("jam", client, **options):
        pass
    assert caught.value.response.status_code == 403
    assert caught.value.response.json is not None
    return str(caught.value.response.json["error"])


def test_who_is_logged_in_watches(app: Flask, stage: Stage, ann: FlaskClient) -> None:
    """Flask-Login's user is let in and counted; nobody's browser is refused, before and after."""
    assert refused(stage, app.test_client()) == "viewer-refused"
    with stage.socket("jam", ann):
        assert stage.clients("jam") == 1
        ann.post("/logout")
        assert refused(stage, ann) == "viewer-refused"
        assert stage.clients("jam") == 1
    assert stage.clients("jam") == 0


def test_another_s_session_is_nobody_s(app: Flask, stage: Stage, ann: FlaskClient) -> None:
    """A session cookie that was changed, or signed with another key, logs nobody in."""
    cookie = ann.get_cookie("session")
    assert cookie is not None
    for value in (cookie.value[:-1], cookie.value[1:], "x", ""):
        stranger = app.test_client()
        stranger.set_cookie("session", value)
        assert refused(stage, stranger) == "viewer-refused"


@pytest.mark.parametrize("first", [True, False])
def test_two_cookies_of_one_name_are_one_or_none(
    app: Flask, stage: Stage, ann: FlaskClient, first: bool
) -> None:
    """Of two cookies by one name the first counts, as in all of Flask: no mixture of the two."""
    cookie = ann.get_cookie("session")
    assert cookie is not None
    pair = [f"session={cookie.value}", "session=forged"]
    header = "; ".join(pair if first else reversed(pair))
    stranger = app.test_client(use_cookies=False)
    if first:
        with stage.socket("jam", stranger, Cookie=header):
            assert stage.clients("jam") == 1
    else:
        assert refused(stage, stranger, Cookie=header) == "viewer-refused"


def test_a_ticket_lets_in_who_has_it(app: Flask, stage: Stage, ann: FlaskClient) -> None:
    """A member's token opens its event to a program without a cookie; nobody gets one unasked."""
    assert app.test_client().get("/ticket/jam").status_code == 401
    found = ann.get("/ticket/jam").json
    assert found is not None
    with stage.socket("jam", query=f"token={found['token']}"):
        assert stage.clients("jam") == 1
    stranger = app.test_client()
    assert refused(stage, stranger, query=f"token={found['token'][:-1]}") == "token-refused"
    # Who is logged in is refused by a bad token too: it says who wants to be let in.
    assert refused(stage, ann, query="token=x") == "token-refused"


def test_the_proxy_s_word_is_taken_once() -> None:
    """With the page's ProxyFix each viewer has an address; what a viewer adds himself is not it."""
    app = make_app("memory://", STREAMEND_HANDSHAKE_RATE="1/hour")
    (block,) = (b for b in blocks("python") if b.page == PAGE and "ProxyFix" in b.body)
    exec(compile(block.body, str(block), "exec"), {"app": app})
    app.add_url_rule("/address", "address", lambda: str(request.remote_addr))

    def ask(forwarded: str) -> int:
        headers = {"X-Forwarded-For": forwarded}
        assert app.test_client().get("/address", headers=headers).text == forwarded.split(", ")[-1]
        return app.test_client().get("/ws/jam", headers=headers).status_code

    assert [ask("192.0.2.1"), ask("192.0.2.2")] == [426, 426]
    assert [ask("192.0.2.1"), ask("198.51.100.1, 192.0.2.1")] == [429, 429]


def test_the_origins_are_those_of_the_page() -> None:
    """The list that the page shows lets those pages in."""
    (block,) = (b for b in blocks("python") if b.page == PAGE and "ORIGINS" in b.body)
    config = Flask("config")
    exec(compile(block.body, str(block), "exec"), {"app": config})
    app = make_app("memory://", **config.config.get_namespace("STREAMEND_", False, False))
    for origin in config.config["STREAMEND_ALLOWED_ORIGINS"]:
        assert app.test_client().get("/ws/jam", headers={"Origin": origin}).status_code == 426
    assert "*" not in config.config["STREAMEND_ALLOWED_ORIGINS"]
    assert '`"*"` lets in any page' in text_of(PAGE)


def test_a_viewer_loader_that_hangs_holds_up_nobody_else(app: Flask, stage: Stage) -> None:
    """Like a view it keeps its own request waiting; another viewer's is answered meanwhile."""
    streamend: Any = stage.state.extension
    own, go, there = streamend.viewer_loader_function, threading.Event(), threading.Event()

    def load_viewer(event_id: str) -> str:
        if event_id == "slow":
            there.set()
            assert go.wait(30)
        return "ann"

    streamend.viewer_loader(load_viewer)
    slow = threading.Thread(target=lambda: app.test_client().get("/ws/slow"))
    try:
        slow.start()
        assert there.wait(30)
        with stage.socket("jam"):
            assert stage.clients("jam") == 1
    finally:
        go.set()
        slow.join(30)
        streamend.viewer_loader(own)


def test_what_is_said_to_be_protected_is_tested() -> None:
    """Each row of SECURITY.md's table names tests, and they are there."""
    table = text_of(ROOT / "SECURITY.md").split("## What is protected")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 10
    for row in rows:
        named = re.findall(r"`(tests/\w+\.py)`", row)
        assert named, row
        assert all((ROOT / name).is_file() for name in named), row
