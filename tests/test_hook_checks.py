"""Asking streaming servers who is there: of what each documents, and what a failed check does.

SRS answers as https://ossrs.io/lts/en-us/docs/v6/doc/http-api has it (Clients; Server ID), with its
``service`` from version 5 on, which changes at each start while the server's id lies in a file;
MediaMTX as the ``PathList`` of its api/openapi.yaml does; nginx's page is the one rtmp_stat makes.
"""

from __future__ import annotations

import base64
import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from flask_streamend.errors import ConfigurationError
from flask_streamend.hooks import fetch
from flask_streamend.hooks.call import HookError
from flask_streamend.hooks.checks import Checks
from flask_streamend.store.interface import Store
from flask_streamend.store.memory import MemoryStore

from .servers import PATIENCE, eventually
from .test_hooks import Hooked


class Answering:
    """A real HTTP server that says what it is told to say."""

    def __init__(self) -> None:
        self.body: Any = b""
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked: list[str] = []
        self.authorization: str | None = None
        self.let_go = threading.Event()
        self.let_go.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.authorization = self.headers["Authorization"]
                outer.let_go.wait(30)
                body = outer.body(self.path) if callable(outer.body) else outer.body
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        """Stop answering: nothing listens any more."""
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Return a server to be asked."""
    server = Answering()
    yield server
    server.close()


def checks_of(hooked: Hooked, kind: str, url: str) -> Checks:
    """Return what checks one server for an application."""
    state, settings = hooked.state, hooked.state.settings
    return Checks(
        *({kind: url}, state.store, state.guests, state.sealer, settings.hook_ttl),
        lambda _: int(settings.delay * 1000),
        lambda: state.tally.error("hook"),
    )


def srs(*clients: tuple[str, bool], server: str = "vid-0xk989d", **more: str) -> bytes:
    """Return SRS's clients: each by its id, and whether it publishes."""
    rows = [{"id": id_, "name": "jam", "publish": publish} for id_, publish in clients]
    return json.dumps({"code": 0, "server": server, **more, "clients": rows}).encode()


def nginx(answering: Answering, top: int, *ids: int, pid: int = 7) -> None:
    """Have the server answer as nginx's page: its connections, and how many there were."""
    clients = "".join(f"<client><id>{id_}</id><address>127.0.0.1</address></client>" for id_ in ids)
    live = f"<live><stream><name>jam</name>{clients}</stream></live>"
    page = f"<rtmp><pid>{pid}</pid><server><application>{live}</application></server></rtmp>"
    answering.body = f'<?xml version="1.0" encoding="utf-8" ?>\r\n{page}'.encode()
    answering.headers = {"Streamend-Connection": str(top)}


def test_srs_s_missing_clients_go_after_two_checks(answering: Answering) -> None:
    """One check may fall between a play's answer and its beginning; two don't."""
    hooked = Hooked(STREAMEND_END_ON="either")
    for client in ("a", "b"):
        hooked.srs("on_play", client)
    hooked.srs("on_publish", "p")
    checks = checks_of(hooked, "srs", f"http://{answering.address}")
    answering.body = srs(("a", False), ("p", True))
    checks.run()
    assert hooked.clients() == 2
    checks.run()
    assert (hooked.clients(), hooked.status().state) == (1, "live")
    answering.body = srs(("a", False))
    checks.run()
    checks.run()
    assert (hooked.clients(), hooked.status().state) == (1, "ending"), "the publisher is gone"


def test_who_comes_back_between_two_checks_is_there(answering: Answering) -> None:
    """What was noted anew since it was missed is not lost."""
    hooked = Hooked()
    hooked.srs("on_play")
    checks = checks_of(hooked, "srs", f"http://{answering.address}")
    answering.body = srs()
    checks.run()
    now = hooked.state.store.look(None).now
    eventually(lambda: hooked.state.store.look(None).now > now + 2, "time passed")
    hooked.srs("on_play")
    checks.run()
    assert hooked.clients() == 1


def test_who_is_there_for_longer_than_its_time_stays(answering: Answering) -> None:
    """A check finds them still there when half their time is over; nobody goes who watches."""
    hooked = Hooked(STREAMEND_HOOK_TTL=60, STREAMEND_END_ON="publisher")
    store, now = hooked.state.store, 1_700_000_000.0
    assert isinstance(store, MemoryStore)
    store._clock = lambda: now
    hooked.srs("on_publish", "p")
    hooked.srs("on_play", "a")
    hooked.srs("on_play", "b")
    answering.body = srs(("a", False), ("b", False), ("p", True))
    checks = checks_of(hooked, "srs", f"http://{answering.address}")
    for _ in range(3):
        now += 40
        checks.run()
        assert store.heartbeat("", 0, 0).expired == ()
        assert (hooked.clients(), hooked.status().state) == (2, "live")


def test_what_a_process_that_crashed_left_is_gone_after_its_time(answering: Answering) -> None:
    """nginx goes on with another, as after a reload: who is on a page outlives that time."""
    hooked = Hooked(STREAMEND_HOOK_TTL=60)
    store, now = hooked.state.store, 1_700_000_000.0
    assert isinstance(store, MemoryStore)
    store._clock = lambda: now
    checks = checks_of(hooked, "nginx-rtmp", f"http://{answering.address}/stat")
    hooked.nginx("play", 3)
    nginx(answering, 5, 3)
    checks.run()
    hooked.nginx("play", 6)
    for top in (7, 8):
        nginx(answering, top, 6, pid=8)
        now += 40
        checks.run()
    for event in store.heartbeat("", 0, 0).expired:
        hooked.state.guests.expire(event)
    assert hooked.clients() == 1


def test_srs_that_was_started_anew_has_lost_its_clients(answering: Answering) -> None:
    """Its server id is another, so those of the former go at once; the new ones stay."""
    hooked = Hooked()
    hooked.srs("on_play", "a")
    hooked.srs("on_play", "a", server_id="vid-new")
    answering.body = srs(("a", False), server="vid-new")
    checks_of(hooked, "srs", f"http://{answering.address}").run()
    assert hooked.clients() == 1


def test_srs_with_an_id_that_lasts_has_lost_its_clients_too(answering: Answering) -> None:
    """From version 5 on what tells its lives apart is the service's id."""
    hooked = Hooked()
    hooked.srs("on_play", "a", service_id="old")
    hooked.srs("on_play", "a", service_id="new")
    answering.body = srs(("a", False), service="new")
    checks_of(hooked, "srs", f"http://{answering.address}").run()
    assert hooked.clients() == 1


def test_many_clients_are_read_by_pages(answering: Answering) -> None:
    """SRS gives ten at a time where nobody asks for more."""
    hooked = Hooked()
    hooked.srs("on_play", "c1500")
    every = [(f"c{number}", False) for number in range(1501)]

    def page(path: str) -> bytes:
        asked = {name: int(value) for name, (value,) in parse_qs(urlsplit(path).query).items()}
        return srs(*every[asked["start"] :][: asked["count"]])

    answering.body = page
    checks = checks_of(hooked, "srs", f"http://ann:p%40ss@{answering.address}")
    for _ in range(2):
        checks.run()
    assert hooked.clients() == 1
    assert len(answering.asked) == 4
    pair = base64.b64encode(b"ann:p@ss").decode()
    assert answering.authorization == f"Basic {pair}"


def test_clients_who_leave_between_two_pages_hide_nobody(answering: Answering) -> None:
    """Those after them move up a page: it overlaps the one before, or the check has failed."""
    hooked = Hooked()
    hooked.srs("on_play", "c1010")
    clients = [(f"c{number}", False) for number in range(2000)]
    leaving = 30

    def page(path: str) -> bytes:
        asked = {name: int(value) for name, (value,) in parse_qs(urlsplit(path).query).items()}
        there = clients[leaving:] if asked["start"] else clients
        return srs(*there[asked["start"] :][: asked["count"]])

    answering.body = page
    checks = checks_of(hooked, "srs", f"http://{answering.address}")
    for leaving in (30, 30, 30, 60, 60, 60):  # noqa: B007 - the pages are made of it
        checks.run()
        assert hooked.clients() == 1
    assert hooked.counted("errors|hook") == 3


def test_mediamtx_s_missing_readers_go(answering: Answering) -> None:
    """Readers are known by type and id, a publisher by its path; older versions say ``ready``."""
    hooked = Hooked(STREAMEND_END_ON="either")
    hooked.mediamtx("runOnRead")
    hooked.mediamtx("runOnRead", reader_id="8b2d")
    hooked.mediamtx("runOnOnline")
    checks = checks_of(hooked, "mediamtx", f"http://{answering.address}")
    for state in ({"online": True, "ready": True}, {"ready": True}):
        readers = [{"type": "rtspSession", "id": "7a1c"}]
        path = {"name": "jam", "source": None, "readers": readers, **state}
        answering.body = json.dumps({"itemCount": 1, "pageCount": 1, "items": [path]}).encode()
        checks.run()
    assert (hooked.clients(), hooked.status().state) == (1, "live")
    answering.body = b'{"itemCount": 0, "pageCount": 0, "items": []}'
    checks.run()
    checks.run()
    assert (hooked.clients(), hooked.status().state) == (0, "ending")


def test_nginx_s_page_is_believed_of_those_who_were_on_it(answering: Answering) -> None:
    """A player the process never showed may be another's: of an old one, or of one beside it."""
    hooked = Hooked()
    for number in (3, 4, 5):
        hooked.nginx("play", number)
    checks = checks_of(hooked, "nginx-rtmp", f"http://{answering.address}/stat")
    for top, ids, pid in ((6, (3, 4), 7), (7, (), 8), (8, (), 8), (9, (3,), 7)):
        nginx(answering, top, *ids, pid=pid)
        checks.run()
        assert hooked.clients() == 3
    nginx(answering, 10, 3)
    checks.run()
    assert hooked.clients() == 2, "the fourth was on that process's page, and is not, twice"


def test_nginx_that_was_started_anew_has_lost_its_players(answering: Answering) -> None:
    """Connections are counted from the first again: whoever was there before is gone."""
    hooked = Hooked()
    for number in (3, 40):
        hooked.nginx("play", number)
    checks = checks_of(hooked, "nginx-rtmp", f"http://{answering.address}/stat")
    nginx(answering, 50)
    checks.run()
    assert hooked.clients() == 2
    nginx(answering, 20, pid=8)
    checks.run()
    assert hooked.clients() == 0


def test_a_process_that_checks_for_the_first_time_knows_a_former_life(
    answering: Answering,
) -> None:
    """Whose number is higher than the page's is of another life, whoever finds that."""
    hooked = Hooked()
    for number in (3, 40):
        hooked.nginx("play", number)
    nginx(answering, 20, pid=8)
    checks_of(hooked, "nginx-rtmp", f"http://{answering.address}/stat").run()
    assert hooked.clients() == 1


def test_a_connection_that_was_kept_open_tells_no_lives_apart(answering: Answering) -> None:
    """A proxy before nginx may ask by an old one: who came since is of no former life for that."""
    hooked = Hooked()
    hooked.nginx("play", 40)
    checks = checks_of(hooked, "nginx-rtmp", f"http://{answering.address}/stat")
    nginx(answering, 20, 40)
    checks.run()
    assert (hooked.clients(), hooked.counted("errors|hook")) == (1, 1)
    for top, requests, failed in ((50, 1, 1), (45, 2, 2)):
        nginx(answering, top)
        answering.headers["Streamend-Connection"] += f" {requests}"
        checks.run()
        assert (hooked.clients(), hooked.counted("errors|hook")) == (1, failed)


def test_a_check_is_sent_nowhere_else(answering: Answering) -> None:
    """Its name and its password are for the server that is set."""
    hooked = Hooked()
    hooked.srs("on_play")
    answering.status, answering.headers = 302, {"Location": f"http://{answering.address}/else"}
    answering.body = srs()
    checks = checks_of(hooked, "srs", f"http://ann:secret@{answering.address}")
    for _ in range(2):
        checks.run()
    assert [path.partition("?")[0] for path in answering.asked] == ["/api/v1/clients"] * 2
    assert (hooked.clients(), hooked.counted("errors|hook")) == (1, 2)


PAGE = b"<rtmp><pid>7</pid></rtmp>"


@pytest.mark.parametrize(
    ("kind", "status", "headers", "body"),
    [
        ("nginx-rtmp", 500, {}, b""),
        ("nginx-rtmp", 200, {}, PAGE),
        ("nginx-rtmp", 200, {"Streamend-Connection": "0"}, PAGE[:-1]),
        ("nginx-rtmp", 200, {"Streamend-Connection": "0"}, b"<html><pid>7</pid></html>"),
        ("nginx-rtmp", 200, {"Streamend-Connection": "0"}, b"<!DOCTYPE rtmp>" + PAGE),
        ("srs", 200, {}, b"Not Found"),
        ("srs", 200, {}, b'{"code": 100}'),
        ("srs", 200, {}, b'{"code": 0, "clients": [{}], "server": "other"}'),
        ("mediamtx", 200, {}, b'{"error": "authentication error"}'),
        ("mediamtx", 200, {}, b'{"items": [{}]}'),
    ],
)
def test_a_check_that_fails_changes_nothing_and_is_counted(
    answering: Answering,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    status: int,
    headers: dict[str, str],
    body: bytes,
) -> None:
    """It is logged once, and again when the server answers."""
    hooked = Hooked()
    call = {"nginx-rtmp": "play", "srs": "on_play", "mediamtx": "runOnRead"}[kind]
    getattr(hooked, kind.partition("-")[0])(call)
    checks = checks_of(hooked, kind, f"http://ann:secret@{answering.address}")
    answering.status, answering.headers, answering.body = status, headers, body
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            checks.run()
    assert hooked.clients() == 1
    assert hooked.counted("errors|hook") == 3
    assert caplog.text.count("can't be asked") == 1
    assert "secret" not in caplog.text


def test_a_server_that_is_away_or_hangs_changes_nothing(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait has an end, and so has the size of an answer."""
    monkeypatch.setattr(fetch, "STEP", 0.1)
    monkeypatch.setattr(fetch, "MOST", 10)
    hooked = Hooked()
    hooked.srs("on_play")
    checks = checks_of(hooked, "srs", f"http://{answering.address}")
    answering.body = srs()
    checks.run()
    answering.let_go.clear()
    checks.run()
    answering.close()
    checks.run()
    assert hooked.counted("errors|hook") == 3
    assert hooked.clients() == 1


@pytest.mark.parametrize("begun", [b"HTTP/1.1 200 OK\r\nX-A: ", b"HTTP/1.1 200 OK\r\n\r\n{"])
def test_an_answer_that_never_ends_is_cut(monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    """Headers or a page that come byte by byte, each in time, are waited for as a whole."""
    monkeypatch.setattr(fetch, "WHOLE", 0.5)
    over = threading.Event()

    def drip(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection, suppress(OSError):
            connection.sendall(begun)
            while not over.wait(0.01):
                connection.sendall(b"a")

    with socket.create_server(("127.0.0.1", 0)) as server:
        dripping = threading.Thread(target=drip, args=(server,), daemon=True)
        dripping.start()
        with pytest.raises(HookError):
            fetch.fetch(f"http://127.0.0.1:{server.getsockname()[1]}/")
        assert not over.is_set()
        over.set()
        dripping.join(PATIENCE)
        assert not dripping.is_alive()


def empty(hooked: Hooked) -> None:
    """Have the store forget all, as a Redis does that lost its data."""
    assert isinstance(hooked.state.store, MemoryStore)
    MemoryStore.__init__(hooked.state.store, by_viewers=hooked.state.settings.by_viewers)
    assert (hooked.status().state, hooked.clients()) == ("idle", 0)


def test_an_emptied_store_learns_again_who_is_there(answering: Answering) -> None:
    """Who left just then is counted until two checks missed him: nobody was told that he left."""
    hooked = Hooked(STREAMEND_END_ON="publisher")
    hooked.srs("on_publish", "p")
    for client in ("a", "b", "c"):
        hooked.srs("on_play", client)
    checks = checks_of(hooked, "srs", f"http://{answering.address}")
    answering.body = srs(("a", False), ("b", False), ("c", False), ("p", True))
    checks.run()
    empty(hooked)
    hooked.srs("on_stop", "b")
    answering.body = srs(("a", False), ("p", True))
    checks.run()
    assert (hooked.clients(), hooked.status().state) == (3, "live"), "b's out came, c's was lost"
    checks.run()
    checks.run()
    assert (hooked.clients(), hooked.status().state) == (1, "live")
    hooked.srs("on_stop", "a")
    assert hooked.status().state == "live", "its publisher keeps it again"
    hooked.srs("on_unpublish", "p")
    assert hooked.status().state == "ending"


@pytest.mark.parametrize("heard", [True, False])
def test_an_end_of_just_then_is_not_lost(answering: Answering, heard: bool) -> None:
    """A publisher's stop ends its event, though it found an empty store, or was not heard of."""
    hooked = Hooked(STREAMEND_END_ON="publisher")
    hooked.srs("on_publish", "p")
    checks = checks_of(hooked, "srs", f"http://{answering.address}")
    answering.body = srs(("p", True))
    checks.run()
    empty(hooked)
    if heard:
        hooked.srs("on_unpublish", "p")
    answering.body = srs()
    for state in ("live", "live", "ending"):
        checks.run()
        assert hooked.status().state == state


def test_who_may_have_been_told_of_is_not_brought_back(answering: Answering) -> None:
    """Who is not there any more, for a grace period or longer, may have ended the event before."""
    hooked = Hooked(STREAMEND_DELAY=0)
    hooked.srs("on_play", "a")
    checks = checks_of(hooked, "srs", f"http://{answering.address}")
    answering.body = srs(("a", False))
    checks.run()
    empty(hooked)
    answering.body = srs()
    checks.run()
    assert hooked.status().state == "idle"


def test_who_was_purged_is_not_brought_back(answering: Answering) -> None:
    """A store that lost nothing knows better; so it does of an event that was stopped."""
    hooked = Hooked()
    hooked.srs("on_play", "a")
    checks = checks_of(hooked, "srs", f"http://{answering.address}")
    answering.body = srs(("a", False))
    checks.run()
    with hooked.app.app_context():
        hooked.streamend.purge("jam")
    for _ in range(3):
        checks.run()
    empty(hooked)
    checks.run()
    assert hooked.status().state == "idle"


def test_who_checked_before_tells_though_another_checks_now(answering: Answering) -> None:
    """Whichever process comes first to an emptied store; and though the server was away then."""
    hooked = Hooked()
    hooked.srs("on_play", "a")
    first, second = (checks_of(hooked, "srs", f"http://{answering.address}") for _ in range(2))
    answering.body = srs(("a", False))
    first.run()
    empty(hooked)
    second.run()
    assert hooked.clients() == 0
    answering.status = 503
    first.run()
    answering.status = 200
    first.run()
    assert hooked.clients() == 1
    asked = len(answering.asked)
    first.run()
    assert len(answering.asked) == asked, "from then on the other checks alone"


def test_each_process_s_page_brings_back_its_own(answering: Answering) -> None:
    """One worker's page says nothing of another's players: the next page may."""
    hooked = Hooked(STREAMEND_DELAY=0)
    for number in (3, 4):
        hooked.nginx("play", number)
    checks = checks_of(hooked, "nginx-rtmp", f"http://{answering.address}/stat")
    for top, number, pid in ((6, 3, 7), (7, 4, 8)):
        nginx(answering, top, number, pid=pid)
        checks.run()
    empty(hooked)
    for top, number, pid, there in ((8, 3, 7, 1), (9, 3, 7, 1), (10, 4, 8, 2), (11, 3, 7, 2)):
        nginx(answering, top, number, pid=pid)
        checks.run()
        assert hooked.clients() == there


def test_a_store_and_a_server_that_start_anew_together_lose_no_end(answering: Answering) -> None:
    """As when their machine does: the viewers of before are known here alone, and are gone."""
    hooked = Hooked()
    hooked.nginx("play", 3)
    checks = checks_of(hooked, "nginx-rtmp", f"http://{answering.address}/stat")
    nginx(answering, 50, 3)
    checks.run()
    empty(hooked)
    nginx(answering, 20, pid=8)
    for state in ("live", "live", "ending"):
        checks.run()
        assert hooked.status().state == state


def test_another_life_of_the_store_is_checked_at_once(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only when it is time: the store waits for a lease, and no longer."""
    monkeypatch.setattr("flask_streamend.hooks.checks.EVERY", 3600.0)
    hooked = Hooked()
    state, life = hooked.state, ["first"]
    url = {"srs": f"http://{answering.address}"}
    rest = (state.store, state.guests, state.sealer, 60, lambda _: 0, lambda: None, lambda: life[0])
    checks = Checks(url, *rest)
    answering.body = srs()
    for number in (1, 2):
        checks.tick()
        eventually(lambda: len(answering.asked) == number, "it is asked")  # noqa: B023 - at once
        assert checks._thread is not None
        checks._thread.join()
        checks.tick()
        life[0] = "second"
    assert len(answering.asked) == 2


def test_one_process_at_a_time_checks(answering: Answering) -> None:
    """Another takes over where the one that checked asks no more for its turn."""
    hooked = Hooked()
    hooked.srs("on_play")
    answering.body = srs(("9308h583", False))
    first, second = (checks_of(hooked, "srs", f"http://{answering.address}") for _ in range(2))
    for checks in (first, second, first, second):
        checks.run()
    assert len(answering.asked) == 2


def test_a_turn_is_its_owner_s_until_it_lapses(any_store: Store) -> None:
    """Who has it keeps it by asking again; things have turns of their own."""
    assert any_store.turn("check:srs", "a", 60_000)
    assert any_store.turn("check:srs", "a", 60_000)
    assert not any_store.turn("check:srs", "b", 60_000)
    assert any_store.turn("check:mediamtx", "b", 1)
    eventually(lambda: any_store.turn("check:mediamtx", "a", 60_000), "it lapses")
    assert not any_store.turn("check:mediamtx", "b", 1)


def test_a_server_that_is_not_known_stops_the_start() -> None:
    """The error names those that are."""
    with pytest.raises(ConfigurationError, match=r"'red5'.*mediamtx, nginx-rtmp, srs"):
        Hooked(STREAMEND_HOOK_CHECKS={"red5": "http://localhost"})
    unfit: list[Any] = [[], {"srs": "ftp://ann:secret@localhost"}, {"srs/a b": "http://localhost"}]
    for wrong in unfit:
        with pytest.raises(ConfigurationError) as raised:
            Hooked(STREAMEND_HOOK_CHECKS=wrong)
        assert "secret" not in str(raised.value)
