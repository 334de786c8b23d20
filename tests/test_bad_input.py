"""What applications and people put in by mistake or on purpose: an error that says it, no loss."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import example, given, settings
from hypothesis import strategies as st
from itsdangerous import URLSafeTimedSerializer

from flask_streamend import ConfigurationError, Event, StreamEnd, signals
from flask_streamend.access import LONGEST_TOKEN, SKEW, Refusal, Tokens, origin_refused
from flask_streamend.errors import EventIdError
from flask_streamend.event import check_event_id
from flask_streamend.notices.mail import event_url
from flask_streamend.sealing import Sealer, keys_for
from flask_streamend.testing import Refused, live

from .apps.local import make_app, state

KEYS = keys_for((), "tests")
MANY = settings(max_examples=150, deadline=None)

# Ids.


@MANY
@given(st.text() | st.text("abc.:@~-_/\n ", max_size=140) | st.binary() | st.none())
def test_an_id_is_one_or_an_error_in_one_line(event_id: Any) -> None:
    """An id is let through as it is, in its alphabet; else the error is short, and one line."""
    text = event_id if isinstance(event_id, str) else ""
    if re.fullmatch(r"[A-Za-z0-9._:@~-]{1,128}", text) and text not in (".", "..", "_other"):
        assert check_event_id(text) == text
        assert event_url("https://live.example.org", text).endswith(f"/{text}")
        return
    with pytest.raises(EventIdError) as caught:
        check_event_id(event_id)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@pytest.fixture(scope="module")
def quiet() -> Flask:
    """Return an application that nobody watches."""
    return make_app("memory://")


@MANY
@given(path=st.text(min_size=1, max_size=300), origin=st.text(max_size=100))
@example(path="x\nflask_streamend: all is well", origin="https://evil.test\r\nINFO ok")
@example(path="\u202emoc.live", origin="\x1b[2J")
@example(path="a" * 10_000, origin="b" * 10_000)
def test_no_request_writes_a_log_line_of_its_own(quiet: Flask, path: str, origin: str) -> None:
    """Whatever the path and the page's origin hold, a refusal's log is one bounded line each."""
    lines: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = lines.append  # type: ignore[assignment, method-assign]
    logger = logging.getLogger("flask_streamend")
    logger.addHandler(handler)
    state(quiet).refusals._logged.clear()
    try:
        with quiet.test_request_context("/ws/jam"):
            state(quiet).refusals.refuse(_bad(path), path)
            request = _asked(origin)
            refusal = origin_refused(request, state(quiet).settings)
            if refusal is not None:
                state(quiet).refusals.refuse(refusal, "jam")
    finally:
        logger.removeHandler(handler)
    for record in lines:
        for text in (record.getMessage(), str(record.event_id)):  # type: ignore[attr-defined]
            assert text.isprintable() or not text
            assert len(text) < 1500


def _bad(path: str) -> Refusal:
    from flask_streamend.access import bad_event_id

    return bad_event_id(path) or Refusal(404, "no-such-event", "no_such_event", "There is none.")


def _asked(origin: str) -> Any:
    from flask import Request
    from werkzeug.test import EnvironBuilder

    environ = EnvironBuilder(path="/ws/jam").get_environ()
    return Request({**environ, "HTTP_ORIGIN": origin})


# Tokens.


@MANY
@given(st.text() | st.text(st.characters(min_codepoint=33, max_codepoint=126)))
@example("..")
@example(".".join(["eyJhIjo", "aaaa", "b" * 10_000]))
def test_a_text_that_is_no_token_is_refused(text: str) -> None:
    """No text that was not signed here opens anything, or raises."""
    assert isinstance(Tokens(KEYS).check(text, "jam"), Refusal)


@MANY
@given(st.data())
def test_a_tampered_token_is_refused(data: st.DataObject) -> None:
    """A token with any one character changed opens nothing."""
    token = Tokens(KEYS).make("jam", "ann", 60)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=126))
    changed = token[:at] + other + token[at + 1 :]
    found = Tokens(KEYS).check(changed, "jam")
    # A signature has more than one spelling: its last character has bits that stand for nothing,
    # and + and / are read as - and _.
    signature = at > token.rindex(".")
    same = signature and changed.translate(str.maketrans("+/", "-_")) == token
    assert isinstance(found, Refusal) or changed == token or same or at == len(token) - 1
    if isinstance(found, str):
        assert found == "ann"


@pytest.mark.parametrize(
    "payload", [None, 5, "jam", [], ["jam"], ["jam", "ann", "soon"], {"jam": 1}, ["jam", 1, 2, 3]]
)
def test_a_signed_token_of_another_shape_is_refused(payload: object) -> None:
    """What this application signed for something else, or an older version, opens nothing."""
    tokens = Tokens(KEYS)
    assert isinstance(tokens.check(str(tokens._serializer.dumps(payload)), "jam"), Refusal)
    other = URLSafeTimedSerializer(KEYS[0], salt="another purpose")
    assert isinstance(tokens.check(str(other.dumps(["jam", "ann", 60])), "jam"), Refusal)


@pytest.mark.parametrize(
    ("ahead", "says"),
    [
        (0.0, None),
        (SKEW / 2, None),
        (SKEW * 2, "was made in the future"),
        (-59.0, None),
        (-90.0, "has expired"),
    ],
)
def test_a_token_by_another_server_s_clock(ahead: float, says: str | None) -> None:
    """Clocks may differ by a minute; a token from further on is refused, as an old one is."""
    now = time.time()
    token = Tokens(KEYS, lambda: now + ahead).make("jam", "ann", 60)
    found = Tokens(KEYS, lambda: now).check(token, "jam")
    if says is None:
        assert found == "ann"
    else:
        assert isinstance(found, Refusal)
        assert says in found.message


@pytest.mark.parametrize("expires", [0, -1, float("nan"), float("inf"), LONGEST_TOKEN + 1])
def test_a_token_expires(expires: float) -> None:
    """None is made that would be good for ever, or never."""
    with pytest.raises(ValueError, match="expected a number of seconds above 0"):
        Tokens(KEYS).make("jam", "ann", expires)


NOBODIES: list[Any] = [None, "", True, False, b"ann", ["ann"], object(), 1.5]


def shown(value: object) -> str:
    """Return a value's name in a test's: the same in every process, as no address in memory is."""
    return repr(value).partition(" at 0x")[0]


@pytest.mark.parametrize("nobody", NOBODIES, ids=shown)
def test_nobody_gets_no_token(nobody: Any) -> None:
    """An anonymous user's id, which is None, makes no token and joins nothing."""
    app = make_app("memory://")
    streamend = state(app).extension
    with app.app_context():
        for call in (streamend.join_token, streamend.join, streamend.leave, streamend.seen):
            with pytest.raises(ValueError, match="no viewer's id"):
                call("jam", nobody)
        assert streamend.join_token("jam", 7)  # type: ignore[arg-type]
        assert streamend.event_clients("jam") == 0


@MANY
@given(st.text())
def test_any_viewer_s_name_has_a_pseudonym(name: str) -> None:
    """Whatever a viewer is called, what stands for it in the store is short and tells nothing."""
    (found,) = Sealer(KEYS).pseudonyms(name)
    assert re.fullmatch(r"[0-9a-f]{24}", found)
    assert Sealer(KEYS).pseudonyms(name) == [found]


# Loaders.


async def promise(event_id: str) -> None:
    """Return a promise."""


class Promise:
    """An object that is called as the function is."""

    async def __call__(self, event_id: str) -> None:
        """Answer later."""


class Recorder:
    """A loader that would never have recorded what it was told of."""

    def __call__(self, event_id: str) -> None:
        """Know no event."""

    async def record(self, notices: object) -> None:
        """Write it down later."""


def test_an_async_loader_stops_at_once() -> None:
    """A loader made with ``async def`` would let everybody in: it is an error where it is set."""
    streamend: Any = StreamEnd()
    for setter in (streamend.event_loader, streamend.viewer_loader):
        with pytest.raises(ConfigurationError, match="promise is async: expected a function"):
            setter(promise)
        with pytest.raises(ConfigurationError, match="is async: expected a function"):
            setter(Promise())
        with pytest.raises(ConfigurationError, match="is async: expected a function"):
            setter(Recorder())
        with pytest.raises(ConfigurationError, match="expected a function"):
            setter("load_event")
    for name in ("event_loader", "viewer_loader"):
        bad: dict[str, Any] = {name: promise}
        with pytest.raises(ConfigurationError, match="promise is async"):
            StreamEnd(**bad)


def test_an_async_receiver_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    """It would never have run: that is said, and counted, and the host is told."""
    app = make_app("memory://")

    async def receive(_app: Flask, **what: object) -> None:
        """Archive it later."""

    with live(app) as stage, signals.event_ended.connected_to(receive, sender=app):
        with stage.viewer("jam"):
            pass
        stage.advance(31)
        assert len(stage.notices) == 1
        assert stage.state.tally.pending()["errors|hook"] == 1
    assert "the receiver is async: expected a function made with def" in caplog.text


class Awaited:
    """What an async call returns, as the extension sees it."""

    def __await__(self) -> Iterator[None]:
        yield None


BAD_ANSWERS: list[Any] = [
    *({}, {"id": "jam"}, "jam", 5, True, [], Awaited(), Event),
    Event("another", "The jam", "h1", "host@example.org"),
]


@pytest.mark.parametrize("answer", BAD_ANSWERS, ids=lambda answer: type(answer).__name__)
def test_an_event_loader_s_wrong_answer_loses_nothing(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """No Event, or another's: the viewer is counted, the end waits, the log says why; then told."""
    app = make_app("memory://", STREAMEND_DELAY=1)
    answers: list[Callable[[str], Any]] = [lambda event_id: answer]
    state(app).extension.event_loader(
        lambda event_id: answers[-1](event_id)  # noqa: PLW0108 - the last one of that time
    )
    with live(app) as stage:
        with stage.viewer("jam"):
            assert stage.clients("jam") == 1
        stage.advance(5)
        assert stage.notices == []
        assert "The event loader failed for event jam: it returned " in caplog.text
        assert stage.state.tally.pending()["errors|event_loader"] >= 2
        answers.append(lambda event_id: Event(event_id, "The jam", "h1", "host@example.org"))
        stage.advance(60)
        assert [notice.event.name for notice in stage.notices] == ["The jam"]


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("name", None, "Event.name is of type NoneType: expected str"),
        ("name", b"jam", "Event.name is of type bytes: expected str"),
        ("host_id", None, "Event.host_id is of type NoneType: expected str"),
        ("host_id", ["h"], "Event.host_id is of type list: expected str"),
        ("host_email", ["h@example.org"], "Event.host_email is of type list: expected str or None"),
        ("preferences", {"muted": True}, "Event.preferences is of type dict: expected Preferences"),
    ],
)
def test_a_row_with_a_wrong_column_is_told_of_at_once(column: str, value: Any, says: str) -> None:
    """An event that couldn't be told later is an error in the loader, when it is asked."""
    row: dict[str, Any] = {"id": "jam", "name": "n", "host_id": "h", "host_email": None}
    with pytest.raises(TypeError, match=says):
        Event(**{**row, column: value})


@pytest.mark.parametrize("answer", [*NOBODIES[2:], {}, Awaited()], ids=shown)
def test_a_viewer_loader_s_wrong_answer_lets_nobody_in(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """False, an object, a promise: not None, and nobody either; it is refused and logged."""
    app = make_app("memory://")
    state(app).extension.viewer_loader(lambda event_id: answer)
    with live(app) as stage:
        with pytest.raises(Refused) as caught:
            stage.socket("jam").__enter__()
        assert caught.value.response.status_code == 403
        assert stage.clients("jam") == 0
        assert "is no viewer's id: expected a text" in caplog.text
        assert stage.state.tally.pending()["errors|websocket"] == 1


def test_a_failing_viewer_loader_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """However often it is asked, its traceback is logged once a minute; each failure counts."""
    app = make_app("memory://")

    def load_viewer(event_id: str) -> str:
        raise LookupError("the sessions are away")

    state(app).extension.viewer_loader(load_viewer)
    for _ in range(5):
        assert app.test_client().get("/ws/jam").status_code == 403
    assert len([record for record in caplog.records if record.exc_info]) == 1
    assert state(app).tally.pending()["errors|websocket"] == 5


@pytest.mark.parametrize("key", [7, UUID("1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed")], ids=shown)
def test_a_viewer_may_be_a_primary_key(key: Any) -> None:
    """A whole number is an id as well, and so is a UUID; in a token too."""
    app = make_app("memory://")
    streamend = state(app).extension
    streamend.viewer_loader(lambda event_id: key)
    with live(app) as stage:
        token = streamend.join_token("jam", key)
        with stage.socket("jam"), stage.socket("jam", query=f"token={token}"):
            assert stage.clients("jam") == 2
            assert stage.status("jam").unique_viewers == 1
