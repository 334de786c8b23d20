"""What an application's own tests are given: time, viewers and mail in a test's hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from flask_mail import Message
from simple_websocket import ConnectionClosed

from flask_streamend import Event, MailChannel, Notice, Preferences, StreamEnd
from flask_streamend.notices.base import Skip
from flask_streamend.signals import event_ended
from flask_streamend.testing import Refused, Stage, live

from .servers import eventually


@pytest.fixture
def app() -> Flask:
    """Return an application whose Redis is nowhere: nothing may ask for it."""
    app = Flask(__name__)
    app.config.update(
        TESTING=True,
        SECRET_KEY="tests",
        MAIL_DEFAULT_SENDER="live@example.org",
        STREAMEND_REDIS_URL="redis://127.0.0.1:1",
        STREAMEND_MAX_CLIENTS_PER_EVENT=2,
    )
    streamend = StreamEnd(app)

    @streamend.event_loader
    def load_event(event_id: str) -> Event | None:
        return None if event_id == "none" else Event(event_id, "Friday jam", "h1", "h@example.org")

    app.add_url_rule("/stop", "stop", lambda: str(streamend.end_event("jam")))

    @app.get("/seen")
    def seen() -> str:
        streamend.seen("jam", "player", ttl=10)
        return "seen"

    return app


def test_the_notice_is_due_at_its_instant_and_not_before(app: Flask) -> None:
    """The grace period passes in no time, and the notice comes at its end."""
    with live(app) as stage:
        with stage.viewer("jam"):
            assert stage.clients("jam") == 1
        stage.advance(29.9)
        assert stage.notices == []
        stage.advance(0.1)
        (notice,) = stage.notices
        assert (notice.event.name, notice.stopped) == ("Friday jam", False)
        (mail,) = stage.mails
        assert mail.subject == "Event Stream Ended - Friday jam"
        assert mail.recipients == ["h@example.org"]
        assert stage.status("jam").state == "idle"


def test_a_return_moves_the_end(app: Flask) -> None:
    """Who comes back within the grace cancels the end."""
    with live(app) as stage:
        with stage.viewer("jam"):
            pass
        stage.advance(29)
        with stage.viewer("jam"):
            stage.advance(100)
            assert stage.notices == []
        stage.advance(30)
        assert len(stage.notices) == 1


def test_a_socket_over_the_test_client_counts_and_hears(app: Flask) -> None:
    """A socket opened over the test client is a viewer, and is told how many watch."""
    with live(app) as stage:
        with stage.socket("jam", query="count=1") as socket:
            assert stage.clients("jam") == 1
            assert json.loads(socket.receive(5)) == {"clients": 1}
            page = app.test_client().get("/metrics").text
            assert 'streamend_event_clients{event_id="jam"} 1.0' in page.splitlines()
        assert stage.clients("jam") == 0
        stage.advance(30)
        assert len(stage.notices) == 1


def test_a_refusal_is_an_answer(app: Flask) -> None:
    """A socket that is not let in raises with the answer the browser would have got."""
    with live(app) as stage:
        with pytest.raises(Refused) as caught, stage.socket("none"):
            pass
        assert caught.value.response.status_code == 404
        assert caught.value.response.get_json()["error"] == "no-such-event"
        with stage.viewer("jam"), stage.viewer("jam"):
            with pytest.raises(Refused) as caught, stage.socket("jam"):
                pass
            assert caught.value.response.status_code == 429


def test_a_stopped_stream_lets_its_sockets_go(app: Flask) -> None:
    """The host's stop closes the sockets with 4000, and the notice says so."""
    with live(app) as stage:
        with stage.socket("jam") as socket:
            assert app.test_client().get("/stop").text == "True"
            with pytest.raises(ConnectionClosed) as caught:
                socket.receive(5)
            assert caught.value.reason == 4000
            eventually(lambda: not socket.connected, "the socket is closed")
        stage.advance(0)
        assert "The stream was stopped." in str(stage.mails[0].body)


def test_a_player_that_only_fetches_goes_by_time(app: Flask) -> None:
    """A viewer who is only seen is gone after its time, and the grace counts from then."""
    with live(app) as stage:
        app.test_client().get("/seen")
        assert stage.clients("jam") == 1
        stage.advance(39)
        assert stage.notices == []
        stage.advance(3)
        assert len(stage.notices) == 1


class Phone:
    """A channel that tells some hosts only."""

    name = "phone"

    def check(self, notice: Notice) -> None:
        if notice.event.host_id == "deaf":
            raise Skip("no_address")

    def send(self, notice: Notice) -> None:
        pytest.fail("no channel sends on a stage")


class OwnMail(MailChannel):
    """E-mail with another subject."""

    def message(self, notice: Notice) -> Message:
        message = super().message(notice)
        message.subject = "Over"
        return message


@pytest.fixture
def wishing() -> Flask:
    """Return an application whose events are named for their hosts, told by phone and by mail."""
    app = Flask(__name__)
    app.config.update(
        *({"STREAMEND_REDIS_URL": "memory://", "MAIL_DEFAULT_SENDER": "live@example.org"},),
        STREAMEND_MAX_ATTEMPTS=3,
        STREAMEND_DELAY=0,
    )
    streamend = StreamEnd(app, channels=[Phone()])
    own = OwnMail(app.extensions["streamend"].settings)
    app.extensions["streamend"].deliverer.channels["email"] = own
    wishes = Preferences(channels=("phone", "email"))
    streamend.event_loader(lambda id: Event(id, id, id, "h@example.org", preferences=wishes))
    return app


def end(stage: Stage, event_id: str) -> None:
    """Have an event end, and its hosts told."""
    with stage.viewer(event_id):
        pass
    stage.advance(0)


def states(stage: Stage, event_id: str | None = None) -> list[tuple[str, str, int, str]]:
    """Return what became of notices, by channel."""
    found = stage.deliveries(event_id)
    return sorted((one.channel, one.state, one.attempts, one.error) for one in found)


def test_a_channel_does_on_stage_what_comes_before_a_send(wishing: Flask) -> None:
    """Whom it would not tell is skipped; the mail is the one that it makes."""
    with live(wishing) as stage:
        end(stage, "deaf")
        assert states(stage) == [
            ("email", "sent", 1, ""),
            ("phone", "skipped", 0, "no_address"),
        ]
        assert [mail.subject for mail in stage.mails] == ["Over"]
        end(stage, "jam")
        assert states(stage, "jam") == [("email", "sent", 1, ""), ("phone", "sent", 1, "")]
        assert [notice.event.name for notice in stage.sent["phone"]] == ["jam"]


def test_a_channel_fails_for_as_long_as_a_test_says(wishing: Flask) -> None:
    """Its attempts are counted and repeated, up to a dead letter; another's are none of its."""
    with live(wishing) as stage:
        with stage.failing("phone", OSError("no line")):
            end(stage, "jam")
            away = ("phone", "retrying", 1, "OSError: no line")
            assert states(stage) == [("email", "sent", 1, ""), away]
            with stage.failing("phone"):
                stage.advance(5)
            assert states(stage)[1] == ("phone", "retrying", 2, "ConnectionError: phone is away")
            stage.advance(10)
            assert states(stage)[1] == ("phone", "dead", 3, "OSError: no line")
        end(stage, "gig")
        assert [notice.event.id for notice in stage.sent["phone"]] == ["gig"]
        assert len(stage.mails) == 2
        page = wishing.test_client().get("/metrics").text.splitlines()
        sample = 'streamend_notifications_total{{channel="phone",status="{}"}} {}'.format
        assert {sample("failed", "2.0"), sample("dead", "1.0"), sample("sent", "1.0")} < set(page)


def test_only_a_channel_that_is_there_can_fail(wishing: Flask) -> None:
    """A name that no channel has is an error that says which there are."""
    with live(wishing) as stage, pytest.raises(LookupError, match="'fax': expected one of email,"):
        stage.failing("fax").__enter__()


def test_a_token_ages_in_the_stage_s_time(app: Flask) -> None:
    """It is good for as long as it says, by the time that the test moves, and for its event."""
    with live(app) as stage:
        query = f"token={stage.token('jam', 'ann', expires=100)}"
        stage.advance(100)
        with stage.socket("jam", query=query):
            stage.advance(1)
        for event_id in ("jam", "gig"):
            with pytest.raises(Refused) as caught, stage.socket(event_id, query=query):
                pass
            assert (caught.value.status, caught.value.code) == (403, "token-refused")


def test_a_refusal_that_is_no_json_has_no_code(app: Flask) -> None:
    """As where the application itself answers for the extension."""
    app.before_request(lambda: ("not now", 503))
    with live(app) as stage, pytest.raises(Refused) as caught, stage.socket("jam"):
        pass
    assert (caught.value.status, caught.value.code) == (503, "")


def test_the_stage_leaves_the_application_as_it_was(app: Flask) -> None:
    """After the stage the application has its own parts again."""
    state = app.extensions["streamend"]
    before = dict(vars(state))
    with live(app):
        assert state.store is not before["store"]
    assert dict(vars(state)) == before


def test_a_notice_has_the_session_s_figures(app: Flask) -> None:
    """The end's signal, the API and the notice say how long it was and how many watched."""
    app.config["STREAMEND_NOTICE_FIGURES"] = True
    app.config["STREAMEND_API_TOKEN"] = "open-sesame"
    heard: list[dict[str, Any]] = []

    def hear(_app: Flask, **what: Any) -> None:
        heard.append(what)

    def hear_some(_app: Flask, event_id: str, session: str, clients: int, at: float) -> None:
        some.append(event_id)

    some: list[str] = []
    named = Flask(__name__)
    named.config.update(app.config)
    streamend = StreamEnd(named, lambda event_id: Event(event_id, "Friday jam", "h1", "h@ex.org"))
    loader_says: list[str | None] = ["ann", "ben", ""]
    streamend.viewer_loader(lambda event_id: loader_says.pop(0))
    client = named.test_client()
    page = {"Authorization": "Bearer open-sesame"}
    hears, hears_some = (event_ended.connected_to(one, sender=named) for one in (hear, hear_some))
    with live(named) as stage, hears, hears_some:
        with named.app_context():
            token = streamend.join_token("jam", "cem")
        with stage.socket("jam"), stage.socket("jam"):
            stage.advance(3700)
        with stage.socket("jam"), named.app_context():
            streamend.seen("jam", "ann", ttl=1)
            with stage.viewer("jam", "dan"), streamend.viewing("jam"):
                stage.advance(60)
        with stage.viewer("jam"), named.app_context(), streamend.viewing("jam", "dan"):
            stage.advance(1)
        with stage.socket("jam", query=f"token={token}"):
            stage.advance(1)
        status = client.get("/streamend/events/jam", headers=page).json
        assert status is not None
        assert status["unique_viewers"] == 4
        stage.advance(40)
        (notice,) = stage.notices
        assert (notice.peak, notice.unique_viewers) == (4, 4)
        assert notice.duration == pytest.approx(3791, abs=2)
        (ended,) = heard
        assert some == ["jam"], "a receiver is given what it names"
        assert ended["started_at"] == notice.started_at
        assert (ended["peak"], ended["unique_viewers"]) == (4, 4)
        assert ended["duration"] == notice.duration
        rows = client.get("/streamend/deliveries", headers=page).json
        assert rows is not None
        (row,) = rows["deliveries"]
        assert {key: row[key] for key in ("started_at", "duration", "peak", "unique_viewers")} == {
            key: ended[key] for key in ("started_at", "duration", "peak", "unique_viewers")
        }
        (mail,) = stage.mails
        for text in (mail.body, mail.html):
            assert text is not None
            for line in ("Duration: 1 h 3 min", "Most viewers at once: 4", "Different viewers: 4"):
                assert line in text


def test_a_notice_has_no_figures_unless_asked(app: Flask) -> None:
    """By default the notice is the plain one."""
    with live(app) as stage:
        with stage.viewer("jam"):
            stage.advance(1)
        stage.advance(31)
        (mail,) = stage.mails
        assert mail.body is not None
        assert "Duration" not in mail.body
        assert "stream.\n\nView Event Dashboard: http" in mail.body
