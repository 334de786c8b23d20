"""Streaming servers' calls: one way in, what is counted, and how each server is answered.

The calls of SRS and MediaMTX are written to the form their documentation gives:
https://ossrs.io/lts/en-us/docs/v6/doc/http-callback (Protocol; HTTP Callback Events; what
``service_id`` adds to it from version 5 on is in its trunk/src/app/srs_app_http_hooks.cpp), and
https://mediamtx.org/docs/features/hooks (runOnRead, runOnUnread, runOnOnline, runOnOffline). Those
of nginx-rtmp are what a real one sends (test_nginx_rtmp.py), as
https://github.com/arut/nginx-rtmp-module/wiki/Directives#notify has it.
"""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from werkzeug.test import TestResponse

from flask_streamend import Event, EventStatus, StreamEnd
from flask_streamend.hooks import Call, current_call
from flask_streamend.sealing import Sealer
from flask_streamend.state import state_of

TOKEN = "hook-secret"


class Hooked:
    """An application in memory, and the servers that call it."""

    def __init__(self, **config: Any) -> None:
        self.app = Flask("hooked")
        settings = {"STREAMEND_REDIS_URL": "memory://", "STREAMEND_HOOK_TOKEN": TOKEN, **config}
        self.app.config.update(SECRET_KEY="s", MAIL_DEFAULT_SENDER="a@example.org", **settings)
        self.streamend = StreamEnd()
        self.streamend.init_app(self.app)
        self.state = state_of(self.app)

    def post(self, server: str, query: str = f"?token={TOKEN}", **body: Any) -> TestResponse:
        """Call as a server does."""
        return self.app.test_client().post(f"/streamend/hooks/{server}{query}", **body)

    def nginx(
        self,
        call: str,
        clientid: int = 5,
        name: str = "jam",
        more: str = "",
        edge: str = "",
        **fields: Any,
    ) -> TestResponse:
        """Call as nginx-rtmp does: what the player put behind its address comes last."""
        session = {"app": "live", "flashver": "LNX.11,1", "swfurl": "", "addr": "127.0.0.1"}
        session |= fields
        body = urlencode({**session, "clientid": clientid, "call": call, "name": name}) + more
        kind = "application/x-www-form-urlencoded"
        query = f"?token={TOKEN}" + (f"&server={edge}" if edge else "")
        return self.post("nginx-rtmp", query, data=body, content_type=kind)

    def srs(self, action: str, client: str = "9308h583", **more: Any) -> TestResponse:
        """Call as SRS does, with its content type."""
        body = {
            "server_id": "vid-0xk989d",
            "action": action,
            "client_id": client,
            "ip": "127.0.0.1",
            "vhost": "__defaultVhost__",
            "app": "live",
            "tcUrl": "rtmp://127.0.0.1:1935/live?vhost=__defaultVhost__",
            "stream": "jam",
            "param": "",
            "stream_url": "video.test.com/live/livestream",
            "stream_id": "vid-124q9y3",
            **more,
        }
        data = self.app.json.dumps(body)
        return self.post("srs", data=data, content_type="application-json")

    def mediamtx(self, hook: str, **more: str) -> TestResponse:
        """Call as the curl does that MediaMTX runs."""
        reader = {"reader_type": "rtspSession", "reader_id": "7a1c"}
        given = {"hook": hook, "path": "jam", **reader, **more}
        return self.post("mediamtx", data=given)

    def status(self, event_id: str = "jam") -> EventStatus:
        """Return how an event stands."""
        with self.app.app_context():
            return self.streamend.event_status(event_id)

    def clients(self, event_id: str = "jam") -> int:
        """Return an event's viewers."""
        return self.status(event_id).clients

    def counted(self, what: str) -> int:
        """Return a counter by its field, written or not yet."""
        self.state.tally.flush()
        return self.state.store.totals(0).counters.get(what, 0)


@pytest.fixture
def hooked() -> Hooked:
    """Return an application that streaming servers may call."""
    return Hooked()


@pytest.mark.parametrize("server", ["nginx-rtmp", "srs", "mediamtx"])
def test_only_who_has_the_token_may_call(server: str) -> None:
    """Without the setting the routes are not there; a wrong token, or none, is refused."""
    assert Hooked(STREAMEND_HOOK_TOKEN=None).post(server).status_code == 404
    hooked = Hooked()
    for query in ("", "?token=", "?token=wrong", "?token=%C3%A9"):
        assert hooked.post(server, query).status_code == 401
    assert hooked.app.test_client().get(f"/streamend/hooks/{server}").status_code == 405


def test_a_token_may_stand_in_an_address_as_it_is() -> None:
    """Of base64's signs the plus is a space there, and nobody need know."""
    hooked = Hooked(STREAMEND_HOOK_TOKEN="a+b/c==")
    for query in ("?token=a+b/c==", "?token=a%2Bb%2Fc%3D%3D"):
        assert hooked.post("nginx-rtmp", query, data={"call": "connect"}).status_code // 100 == 2
    assert hooked.post("nginx-rtmp", "?token=a b").status_code == 401


def test_nginx_s_players_come_and_go_once(hooked: Hooked) -> None:
    """``on_done`` comes besides ``on_play_done``, and repeats change nothing."""
    for _ in range(2):
        assert hooked.nginx("play").status_code // 100 == 2
    hooked.nginx("play", 6)
    assert hooked.clients() == 2
    for call in ("play_done", "done", "done", "play_done"):
        assert hooked.nginx(call).status_code // 100 == 2
    assert hooked.clients() == 1
    hooked.nginx("done", 6)
    assert hooked.status().state == "ending"


def test_what_a_player_adds_to_its_address_pretends_nothing(hooked: Hooked) -> None:
    """Of two values of a name the first is nginx's, and it is the one that counts."""
    hooked.nginx("play", more="&clientid=99&name=gig&call=publish&addr=9.9.9.9")
    assert (hooked.clients("jam"), hooked.clients("gig")) == (1, 0)
    hooked.nginx("play_done", more="&clientid=98")
    assert hooked.clients() == 0


def test_calls_that_say_nothing_of_viewers_are_answered(hooked: Hooked) -> None:
    """``on_connect`` names no stream, and other calls no viewer who came or went."""
    for call in ("connect", "update_play", "record_done", "of a later version"):
        assert hooked.nginx(call).status_code // 100 == 2
    assert hooked.srs("on_dvr").get_json() == {"code": 0, "msg": "OK"}
    assert hooked.status().state == "idle"


def test_an_out_that_overtakes_its_in_leaves_no_ghost(hooked: Hooked) -> None:
    """The in that comes after its out lets nobody in; a player that comes again is counted."""
    assert hooked.nginx("play_done").status_code // 100 == 2
    hooked.nginx("done")
    hooked.nginx("play")
    assert hooked.clients() == 0
    hooked.nginx("play")
    assert hooked.clients() == 1
    for call in ("play_done", "done", "play"):
        hooked.nginx(call)
    assert hooked.clients() == 1, "on one connection a player may stop and play on"


@pytest.mark.parametrize("address", ["10.0.0.9:1935/live", "cdn.example.org", "unix:/tmp/a:live"])
def test_what_nginx_passes_on_is_no_viewer(hooked: Hooked, address: str) -> None:
    """A push to another server plays the stream, with the target as its address.

    So does what its own processes pass to each other. No loader is asked.
    """
    hooked.streamend.viewer_loader(lambda _: None)
    fields: dict[str, Any] = {"flashver": "ngx-local-relay", "addr": address}
    assert hooked.nginx("play", **fields).status_code // 100 == 2
    assert hooked.status().state == "idle"
    for call in ("play_done", "done"):
        assert hooked.nginx(call, **fields).status_code // 100 == 2


@pytest.mark.parametrize("address", ["10.0.0.9", "::1", "unix:"])
def test_a_player_who_says_that_he_passes_on_is_one(hooked: Hooked, address: str) -> None:
    """What he calls himself is his to say; his address is his socket's."""
    hooked.nginx("play", flashver="ngx-local-relay", addr=address)
    assert hooked.clients() == 1


def test_what_nginx_pulls_is_published_here() -> None:
    """The connection to the origin is the stream's publisher: here it starts and stops by that."""
    hooked = Hooked(STREAMEND_END_ON="publisher")
    fields: dict[str, Any] = {"flashver": "ngx-local-relay", "addr": "origin:1935/live"}
    hooked.nginx("publish", **fields)
    assert hooked.status().state == "live"
    hooked.nginx("done", **fields)
    assert hooked.status().state == "ending"


def test_servers_with_names_have_connections_of_their_own(hooked: Hooked) -> None:
    """Two nginx count their connections alike: ``server=`` tells them apart."""
    hooked.nginx("play", edge="east")
    hooked.nginx("play", edge="west")
    assert hooked.clients() == 2
    hooked.nginx("play_done", edge="east")
    assert hooked.clients() == 1
    assert hooked.nginx("play", edge="no such name").status_code == 400


def test_srs_is_answered_as_it_expects(hooked: Hooked) -> None:
    """It wants 200 and the code 0; what it says in JSON is read whatever the content type."""
    for _ in range(2):
        answer = hooked.srs("on_play")
        assert (answer.status_code, answer.get_json()["code"]) == (200, 0)
    hooked.srs("on_play", "8")
    hooked.srs("on_play", server_id="vid-another")
    assert hooked.clients() == 3
    assert hooked.srs("on_stop").get_json()["code"] == 0
    assert hooked.clients() == 2


def test_srs_that_was_started_anew_has_other_connections(hooked: Hooked) -> None:
    """The server's id outlives it, in a file or configured: the service's is that of one life."""
    hooked.srs("on_play", "a", service_id="s1")
    hooked.srs("on_play", "a", service_id="s2")
    assert hooked.clients() == 2
    hooked.srs("on_stop", "a", service_id="s2")
    assert hooked.clients() == 1


def test_older_srs_counts_its_clients_by_numbers(hooked: Hooked) -> None:
    """Before version 4 a client's id was a number, and no server's id came."""
    hooked.srs("on_play", client_id=1985, server_id=None)
    assert hooked.clients() == 1
    hooked.srs("on_stop", client_id=1985, server_id=None)
    assert hooked.clients() == 0


def test_mediamtx_s_readers_come_and_go(hooked: Hooked) -> None:
    """A path with slashes is an event with colons; a reader is one by its type and id."""
    path = "live/jam"
    assert hooked.mediamtx("runOnRead", path=path).status_code // 100 == 2
    hooked.mediamtx("runOnRead", path=path, reader_type="webRTCSession")
    assert hooked.clients("live:jam") == 2
    hooked.mediamtx("runOnUnread", path=path)
    assert hooked.clients("live:jam") == 1


def test_a_name_that_is_no_event_id_is_counted_and_let_pass(
    hooked: Hooked, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be a secret key: it is in no log line."""
    with caplog.at_level(logging.INFO):
        for call in ("play", "play_done"):
            assert hooked.nginx(call, name="key with spaces").status_code // 100 == 2
        assert hooked.srs("on_play", stream="").get_json()["code"] == 0
        assert hooked.mediamtx("runOnRead", path="ä").status_code // 100 == 2
    assert hooked.counted("refusals|bad_event_id") == 4
    assert "key with" not in caplog.text
    assert "bad-event-id" in caplog.text


def test_an_event_that_there_is_not_is_let_pass_uncounted(hooked: Hooked) -> None:
    """A streaming server may have streams that are none of the application's events."""
    hooked.streamend.event_loader(lambda _: None)
    assert hooked.nginx("play").status_code // 100 == 2
    assert hooked.status().state == "idle"
    assert hooked.counted("refusals|no_such_event") == 1


def test_a_callable_maps_what_is_reported_to_an_event() -> None:
    """It sees the server, its application and the stream's name; what it raises is counted."""

    def event_of(call: Call) -> str:
        return {"secret-1": "jam", "raise": ""}[call.stream] and f"{call.app}-jam"

    hooked = Hooked(STREAMEND_HOOK_EVENT_ID=event_of)
    hooked.nginx("play", name="secret-1")
    assert hooked.clients("live-jam") == 1
    assert hooked.nginx("play", name="unknown").status_code // 100 == 2
    assert hooked.counted("errors|hook") == 1


def test_what_differs_by_host_application_or_address_may_be_told_apart() -> None:
    """Streams of one name on two virtual hosts; and what the server itself plays, to transcode."""
    seen = list[Call]()

    def event_of(call: Call) -> str:
        seen.append(call)
        return call.vhost

    hooked = Hooked(STREAMEND_HOOK_EVENT_ID=event_of)
    hooked.srs("on_play", "1", vhost="east", ip="192.0.2.1")
    hooked.srs("on_play", "2", vhost="west", ip="192.0.2.2")
    hooked.nginx("play", addr="::1")
    assert (hooked.clients("east"), hooked.clients("west")) == (1, 1)
    assert [call.address for call in seen] == ["192.0.2.1", "192.0.2.2", "::1"]


def test_the_viewer_loader_may_refuse_a_play_as_each_server_understands() -> None:
    """It reads what the player put into its address; MediaMTX's commands refuse nobody."""
    hooked = Hooked()
    hooked.streamend.event_loader(lambda id_: Event(id_, "Jam", "h", "h@example.org"))

    @hooked.streamend.viewer_loader
    def load_viewer(_: str) -> str | None:
        call = current_call()
        assert call is not None
        return call.args.get("ticket")

    assert hooked.nginx("play").status_code == 403
    refused = hooked.srs("on_play", param="?ticket=")
    assert (refused.status_code, refused.get_json()["code"]) == (403, 403)
    assert hooked.clients() == 0
    assert hooked.counted("refusals|viewer") == 2
    assert hooked.nginx("publish").status_code // 100 == 2
    assert hooked.nginx("play", more="&ticket=ann").status_code // 100 == 2
    assert hooked.srs("on_play", param="?ticket=bob").status_code == 200
    assert hooked.mediamtx("runOnRead").status_code // 100 == 2
    assert hooked.clients() == 3


@pytest.mark.parametrize(
    ("server", "body"),
    [
        ("nginx-rtmp", {"data": {"call": "play", "name": "jam"}}),
        ("nginx-rtmp", {"data": {"call": "play", "name": "jam", "clientid": "-1"}}),
        ("nginx-rtmp", {"data": {"call": "play", "name": "jam", "clientid": "²"}}),
        ("srs", {"data": b"\xff{"}),
        ("srs", {"data": b"[1]"}),
        ("srs", {"data": b'{"action": "on_play", "stream": ["jam"], "client_id": "1"}'}),
        ("srs", {"data": b'{"action": "on_play", "stream": "jam"}'}),
        ("mediamtx", {"data": {"hook": "runOnRead", "path": "jam"}}),
        ("mediamtx", {"data": {"hook": "runOnInit", "path": "jam"}}),
        ("mediamtx", {"data": {"hook": "runOnRead", "reader_id": "1"}}),
    ],
)
def test_what_is_not_of_the_documented_form_is_refused_and_counted(
    hooked: Hooked, server: str, body: dict[str, Any]
) -> None:
    """A mistake in a configuration shows in the answer, in the log and in a counter."""
    answer = hooked.post(server, **body)
    assert (answer.status_code, answer.get_json()["error"]) == (400, "bad-call")
    assert hooked.counted("errors|hook") == 1


def test_an_address_is_not_in_the_store(hooked: Hooked) -> None:
    """What the store has of a connection tells neither its address nor, but for nginx, its id."""
    hooked.nginx("play", edge="east")
    hooked.srs("on_play")
    names = [name for _, name, _ in hooked.state.store.guests("")]
    assert sorted(name[: name.index(" ")] for name in names) == ["nginx-rtmp/east", "srs/"]
    assert not [name for name in names if "127.0.0.1" in name or "9308h583" in name]


def test_a_connection_is_one_over_a_rotation_of_keys() -> None:
    """Who came under the older key is there once, and goes under the newer."""
    older, newer = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    hooked = Hooked(STREAMEND_ENCRYPTION_KEYS=[older], STREAMEND_END_ON="publisher")
    hooked.nginx("publish", 9)
    for number in (5, 6):
        hooked.nginx("play", number)
    hooked.state.sealer = Sealer((newer, older))
    hooked.nginx("publish", 9)
    hooked.nginx("play")
    assert hooked.clients() == 2
    hooked.nginx("play_done", 6)
    assert hooked.clients() == 1
    hooked.nginx("publish_done", 9)
    assert hooked.status().state == "ending"


PUBLISHERS = [
    ("nginx", ("publish", 9), ("publish_done", 9), ("done", 9)),
    ("srs", ("on_publish", "c1"), ("on_unpublish", "c1"), ("on_unpublish", "c1")),
    ("mediamtx", ("runOnOnline",), ("runOnOffline",), ("runOnOffline",)),
    ("mediamtx", ("runOnReady",), ("runOnNotReady",), ("runOnNotReady",)),
]


@pytest.mark.parametrize(("server", "starts", "stops", "again"), PUBLISHERS)
def test_publishers_mean_nothing_unless_asked_for(
    server: str, starts: tuple[Any], stops: tuple[Any], again: tuple[Any]
) -> None:
    """By default an event is its viewers': a publisher begins none and ends none."""
    hooked = Hooked()
    for call in (starts, stops, again):
        assert getattr(hooked, server)(*call).status_code // 100 == 2
    assert hooked.status().state == "idle"
    hooked.nginx("play")
    getattr(hooked, server)(*stops)
    assert hooked.status().state == "live"


@pytest.mark.parametrize(("server", "starts", "stops", "again"), PUBLISHERS)
def test_a_publisher_s_stop_begins_the_grace_period(
    server: str, starts: tuple[Any], stops: tuple[Any], again: tuple[Any]
) -> None:
    """Viewers neither keep the event nor end it; the publisher's return within the grace does."""
    hooked = Hooked(STREAMEND_END_ON="publisher")
    call = getattr(hooked, server)
    call(*starts)
    assert (hooked.status().state, hooked.clients()) == ("live", 0)
    hooked.nginx("play")
    hooked.nginx("play_done")
    assert hooked.status().state == "live", "its viewers left, and it goes on"
    hooked.nginx("play", 6)
    call(*stops)
    call(*again)
    before = hooked.status()
    assert (before.state, before.clients) == ("ending", 1)
    call(*again)
    hooked.nginx("play", 7)
    assert hooked.status().due_at == before.due_at, "nobody but the publisher moves it"
    owed = hooked.state.endings.owed
    assert [(end.session, end.cause) for end in owed.kept()] == [(before.session, "stopping")]
    call(*starts)
    after = hooked.status()
    assert (after.state, after.clients, after.session) == ("live", 2, before.session)
    assert owed.kept() == []
