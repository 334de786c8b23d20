"""What a mail server answers, and what becomes of the notice."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask_mail import email_dispatched
from redis import Redis

from flask_streamend import Event, MailChannel, Notice, PermanentError
from flask_streamend.notices import smtp as smtp_module
from flask_streamend.store.redis import RedisStore

from .apps.local import make_app, state
from .apps.store import Web
from .conftest import StartSite, StartWorker
from .servers import PATIENCE, eventually
from .smtp import END, Inbox, ScriptedServer, Server

Start = Callable[..., Server]
Script = Callable[..., ScriptedServer]
NOTICE = Notice(
    Event("jam", "The jam", "h1", "host@example.org"), "5e55", 1.7e9, "https://e.org", "<1@e.org>"
)


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts a mail server."""
    started: list[Server] = []

    def run(inbox: Inbox | None = None) -> Server:
        started.append(Server(inbox or Inbox()))
        started[-1].start()
        return started[-1]

    yield run
    for server in started:
        server.stop()


@pytest.fixture(params=[False, True], ids=["alone", "together"])
def script(request: pytest.FixtureRequest) -> Iterator[Script]:
    """Return a function that starts a mail server that does as it is told.

    One takes each command alone, the other several together.
    """
    started: list[ScriptedServer] = []

    def run(
        answers: dict[str, str] | None = None, hang_up: str = "", drip: str = ""
    ) -> ScriptedServer:
        started.append(ScriptedServer(answers, hang_up, drip, request.param))
        return started[-1]

    yield run
    for server in started:
        server.stop()


def send(app: Flask, notice: Notice = NOTICE) -> None:
    """Send one notice."""
    with app.app_context(), MailChannel(state(app).settings) as channel:
        channel.send(notice)


def deliver(app: Flask, *events: str) -> dict[str, dict[str, Any]]:
    """Have events end and deliver what is due; return their records in the ledger."""
    parts = state(app)
    Web(parts.store, "a").visit(*events)
    eventually(lambda: parts.store.look(None).ready == len(events), "the events are due")
    with app.app_context():
        parts.deliverer.deliver_due()
        parts.flush()
    store = parts.store
    assert isinstance(store, RedisStore)
    packed = store.redis.hvals(store.keys.ledger)
    return {record["event"]: record for record in map(json.loads, packed)}


def counts(app: Flask) -> dict[str, int]:
    """Return the notices counted, by status."""
    found = state(app).store.totals(0).counters
    start = "notifications|email|"
    return {key.removeprefix(start): n for key, n in found.items() if key.startswith(start)}


#: The steps at which a server may get stuck.
STEPS = ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", END)
#: Seconds for a step; not shorter, so that on a slow machine too it is the stuck one that is cut.
STEP = 2
#: A server that takes each command alone, and one that takes several together.
HOW = {"": False, "-together": True}
Stuck = dict[str, tuple[ScriptedServer, BaseException | None]]


@pytest.fixture(scope="module")
def stuck() -> Iterator[Stuck]:
    """Send to a server that is silent, and to one that drips, for each step, all at one time.

    :returns: each server, and how the send failed.
    """
    servers = {}
    for how, one in HOW.items():
        for step in STEPS:
            servers[f"silent-{step}{how}"] = ScriptedServer({step: "", "HELO": ""}, together=one)
        for step in (*STEPS, "QUIT"):
            servers[f"drips-{step}{how}"] = ScriptedServer(drip=step, together=one)
    login = {"drips-EHLO": {"MAIL_USERNAME": "live", "MAIL_PASSWORD": "secret"}}
    with ThreadPoolExecutor(len(servers)) as aside:
        sending = {
            name: aside.submit(
                send,
                make_app(MAIL_PORT=server.port, STREAMEND_MAIL_TIMEOUT=STEP, **login.get(name, {})),
            )
            for name, server in servers.items()
        }
        try:
            yield {name: (servers[name], one.exception(PATIENCE)) for name, one in sending.items()}
        finally:
            for server in servers.values():
                server.stop()


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("step", STEPS)
def test_a_silent_server_is_not_waited_for(stuck: Stuck, step: str, how: str) -> None:
    """A server that accepts the connection and then says nothing, at any step, fails the send."""
    server, error = stuck[f"silent-{step}{how}"]
    assert isinstance(error, OSError)
    # Of what was sent together the rest is read all the same.
    last = "DATA" if server.together and step in ("MAIL", "RCPT") else step
    assert server.steps[-1] == last or step in ("CONNECT", "EHLO")
    assert server.raw == [] or step == END


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("step", STEPS)
def test_a_server_that_drips_is_not_waited_for(stuck: Stuck, step: str, how: str) -> None:
    """A server whose answer comes byte by byte, each within the time-out, fails the send too."""
    server, error = stuck[f"drips-{step}{how}"]
    assert isinstance(error, OSError)
    assert server.steps[-1] == step


@pytest.mark.parametrize("how", HOW)
def test_a_server_that_drips_its_good_bye_has_taken_the_mail(stuck: Stuck, how: str) -> None:
    """What comes after the answer to DATA is no failure, and is not waited for."""
    server, error = stuck[f"drips-QUIT{how}"]
    assert error is None
    assert server.mails == 1


def test_no_server_fails_the_send() -> None:
    """A port where nothing listens is a failure that may go better next time."""
    with pytest.raises(ConnectionRefusedError):
        send(make_app(MAIL_PORT=1))


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[str]]]:
    """Return the addresses that names lead to; a name that is asked for and has none: it hangs."""
    names: dict[str, list[str]] = {}
    over, real = threading.Event(), socket.getaddrinfo

    def look_up(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        if not str(host).endswith(".example.org"):
            return real(host, port, *args, **options)
        if host not in names:
            assert over.wait(PATIENCE)
        found = [real(address, port, *args, **options) for address in names.get(host, [])]
        return [one for several in found for one in several]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield names
    over.set()


@pytest.mark.usefixtures("resolver")
def test_a_resolver_that_hangs_is_not_waited_for(redis_url: str) -> None:
    """A look-up that does not end fails the attempt as a time-out, and another follows."""
    app = make_app(redis_url, MAIL_SERVER="hangs.example.org", STREAMEND_MAIL_TIMEOUT=0.2)
    record = deliver(app, "jam")["jam"]
    assert record["state"] == "retrying"
    assert "looking up hangs.example.org took longer than 0.2 s" in record["error"]
    assert state(app).store.totals(0).counters["delivery_failures|email|timeout"] == 1


def test_look_ups_that_hang_do_not_pile_up(resolver: dict[str, list[str]]) -> None:
    """Beyond a few of them the attempt fails at once."""
    app = make_app(MAIL_SERVER="piles.example.org", STREAMEND_MAIL_TIMEOUT=0.1)
    for _ in range(8):
        with pytest.raises(TimeoutError):
            send(app)
    with pytest.raises(TimeoutError, match="earlier calls are not over yet"):
        send(app)


def test_another_address_of_the_server_is_tried(
    start: Start, resolver: dict[str, list[str]]
) -> None:
    """Where the first address takes nobody in, the next one is asked."""
    resolver["two.example.org"] = ["127.0.0.2", "127.0.0.1"]
    server = start()
    send(make_app(MAIL_SERVER="two.example.org", MAIL_PORT=server.port))
    assert len(server.handler.raw) == 1


def test_this_host_s_own_name_is_not_waited_for(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody says its name in full it gives its short one; a message asks for none."""
    server, over = start(), threading.Event()
    app = make_app(MAIL_PORT=server.port, STREAMEND_MAIL_TIMEOUT=0.5)
    monkeypatch.setattr(socket, "getfqdn", lambda name="": str(over.wait(PATIENCE)))
    smtp_module._full_name.cache_clear()
    try:
        send(app)
        send(app)
        assert server.handler.greetings == [socket.gethostname()] * 2
    finally:
        over.set()
        smtp_module._full_name.cache_clear()


def test_a_server_that_drops_after_its_yes_has_taken_the_mail(
    script: Script, redis_url: str
) -> None:
    """After 250 to DATA the notice is sent, whatever becomes of the connection, and only once."""
    server = script(hang_up=END)
    app = make_app(redis_url, MAIL_PORT=server.port)
    assert deliver(app, "jam")["jam"]["state"] == "sent"
    assert counts(app) == {"sent": 1}
    assert server.mails == 1


def test_a_server_that_drops_is_not_mailed_twice_for_a_limit(
    script: Script, redis_url: str
) -> None:
    """MAIL_MAX_EMAILS ends a connection after the answer: what fails then is no failure."""
    server = script(hang_up=END)
    app = make_app(redis_url, MAIL_PORT=server.port, MAIL_MAX_EMAILS=1)
    assert deliver(app, "jam")["jam"]["state"] == "sent"
    assert counts(app) == {"sent": 1}


def test_a_server_that_drops_after_each_mail_gets_the_next_too(
    script: Script, redis_url: str
) -> None:
    """A connection that was closed between two notices is opened again for the second."""
    server = script(hang_up=END)
    app = make_app(redis_url, MAIL_PORT=server.port)
    records = deliver(app, "jam", "gig", "set")
    assert [record["state"] for record in records.values()] == ["sent"] * 3
    assert counts(app) == {"sent": 3}
    assert server.mails == 3


def test_a_server_is_asked_whether_it_is_there_where_a_message_may_be_lost(
    script: Script, redis_url: str
) -> None:
    """Each of several notices takes the exchange itself; without PIPELINING one look before it."""
    server = script()
    deliver(make_app(redis_url, MAIL_PORT=server.port), "jam", "gig", "set")
    exchange = ["MAIL", "RCPT", "DATA", END]
    look = [] if server.together else ["NOOP"]
    assert server.steps[2:] == [*exchange, *look, *exchange, *look, *exchange, "QUIT"]


@pytest.mark.parametrize("answer", ["421 too many messages", ""], ids=["says so", "is silent"])
def test_a_server_that_hangs_up_meanwhile_costs_no_wait(redis_url: str, answer: str) -> None:
    """One that is gone as the next notice is on its way took nothing of it: told by a new one."""
    server = ScriptedServer({"AGAIN": answer}, together=True)
    app = make_app(
        redis_url, MAIL_PORT=server.port, STREAMEND_MAIL_TIMEOUT=STEP, STREAMEND_MAX_ATTEMPTS=1
    )
    try:
        records = deliver(app, "jam", "gig")
    finally:
        server.stop()
    assert [record["state"] for record in records.values()] == ["sent", "sent"]
    assert counts(app) == {"sent": 2, "failed": 1}
    assert server.mails == len(server.raw) == 2


def test_a_new_connection_that_fails_waits_for_its_turn(redis_url: str) -> None:
    """Of one that had no message before nobody knows that another would do better."""
    server = ScriptedServer({"MAIL": "421 not now"}, together=True)
    try:
        record = deliver(make_app(redis_url, MAIL_PORT=server.port), "jam")["jam"]
    finally:
        server.stop()
    assert (record["state"], record["attempts"]) == ("retrying", 1)


def test_a_server_that_takes_commands_together_is_not_kept_waiting(script: Script) -> None:
    """Envelope and DATA arrive at once; to another, one after the other."""
    server = script({"MAIL": "", "RCPT": "", "DATA": ""})
    app = make_app(MAIL_PORT=server.port, STREAMEND_MAIL_TIMEOUT=STEP)
    with pytest.raises(OSError, match="timed out"):
        send(app)
    together = server.steps[2:] == ["MAIL", "RCPT", "DATA"]
    assert together or server.steps[2:] == ["MAIL"]
    assert together == server.together


def test_a_message_is_not_sent_to_a_server_that_refused_its_recipient(script: Script) -> None:
    """It may wait for one all the same, told so before it refused; and the next notice is sent."""
    server = script({"RCPT": "550 nobody of that name"})
    app = make_app(MAIL_PORT=server.port)
    with app.app_context(), MailChannel(state(app).settings) as channel:
        with pytest.raises(PermanentError, match="nobody of that name"):
            channel.send(NOTICE)
        server.answer("RCPT", "250 OK")
        channel.send(NOTICE)
    assert (server.mails, len(server.raw)) == (1, 1)


def test_a_line_that_begins_with_a_dot_arrives_as_it_is(script: Script) -> None:
    """SMTP ends a message with a dot by itself (RFC 5321, 4.5.2)."""
    server = script()
    app = make_app(MAIL_PORT=server.port)
    with app.app_context(), MailChannel(state(app).settings) as channel:
        message = channel.message(NOTICE)
        message.body = "..\n.\nThe jam\n"
        channel.message = lambda notice: message  # type: ignore[method-assign]
        channel.send(NOTICE)
    (raw,) = server.raw
    assert b"\r\n...\r\n..\r\nThe jam\r\n" in raw


def test_a_receiver_of_flask_mail_s_signal_that_raises_is_no_failure(
    start: Start, redis_url: str
) -> None:
    """What the application does after a mail was accepted can't have it sent again."""
    server = start()
    app = make_app(redis_url, MAIL_PORT=server.port)

    def fail(sender: Flask, message: Any) -> None:
        raise LookupError("of the application's own")

    with email_dispatched.connected_to(fail, app):
        assert deliver(app, "jam")["jam"]["state"] == "sent"
    assert counts(app) == {"sent": 1}


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", END])
@pytest.mark.parametrize("code", [421, 451, 452, 550, 552, 554])
def test_the_answer_decides_whether_another_try_is_worth_it(
    script: Script, step: str, code: int
) -> None:
    """A 5xx answer is for good, a 4xx one is not; the server's words are kept."""
    server = script({step: f"{code} not now, says the server"})
    app = make_app(MAIL_PORT=server.port)
    expected = PermanentError if code >= 500 else OSError
    with pytest.raises(expected, match=f"{code} .*says the server"):
        send(app)
    assert server.mails == 0


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [("550 no mailbox {}", "dead"), ("450 <{}> is busy, try later", "failed")],
)
def test_a_refused_address_is_masked_in_log_and_ledger(
    start: Start,
    redis: Redis,
    redis_url: str,
    caplog: pytest.LogCaptureFixture,
    answer: str,
    outcome: str,
) -> None:
    """A refusal is logged, kept and counted with its reason, and without the address."""
    server = start(Inbox(refuse=answer.format))
    app = make_app(redis_url, MAIL_PORT=server.port)
    with caplog.at_level("DEBUG"):
        record = deliver(app, "jam")["jam"]
    assert record["state"] == {"dead": "dead", "failed": "retrying"}[outcome]
    assert counts(app) == {outcome: 1}
    assert state(app).store.totals(0).counters["errors|channel"] == 1
    assert answer[:3] in record["error"]
    assert "h***@example.org" in record["error"]
    line = "Failed to send event end notification for event jam: "
    assert [text for text in caplog.messages if text.startswith(line)]
    ours = [record.getMessage() for record in caplog.records if record.name != "mail.log"]
    assert "host@example.org" not in "".join(ours)
    everything = b"".join(redis.dump(key) or b"" for key in redis.keys("*"))
    assert b"host@example.org" not in everything
    assert server.handler.raw == []


class Mute(Exception):
    """An error that has no text."""

    def __str__(self) -> str:
        raise RuntimeError("host@example.org")


def _raise_mute() -> Event:
    raise Mute


@pytest.mark.parametrize(
    ("load", "why"),
    [
        (_raise_mute, "the event loader failed"),
        (lambda: 42, "the event loader failed"),
        (lambda: Event("odd", "Odd", "h1", 42), "the event loader failed"),  # type: ignore[arg-type]
    ],
    ids=["mute", "no-event", "no-address"],
)
def test_an_event_that_cannot_be_told_keeps_no_other_waiting(
    start: Start, redis_url: str, load: Callable[[], Any], why: str
) -> None:
    """Whatever the loader raises or returns for one event, it is tried again, and others told."""
    server = start(Inbox())
    app = make_app(redis_url, MAIL_PORT=server.port)
    state(app).extension.event_loader(
        lambda id_: load() if id_ == "odd" else Event(id_, id_, "h1", "host@example.org")
    )
    records = deliver(app, "odd", "jam")
    assert records["jam"]["state"] == "sent"
    assert records["odd"]["state"] in ("pending", "retrying")
    assert records["odd"]["error"].startswith(why)


def test_a_server_s_answer_is_kept_in_one_line(script: Script, redis_url: str) -> None:
    """What a server says begins no line of a log, and steers no terminal."""
    server = script({"MAIL": "450-no\r\n450-FORGED \x1b[31m\r\n450 line"})
    record = deliver(make_app(redis_url, MAIL_PORT=server.port), "jam")["jam"]
    assert record["error"] == "Deferred: 450 no FORGED [31m line"


def test_the_last_attempt_is_a_dead_letter(redis_url: str) -> None:
    """After STREAMEND_MAX_ATTEMPTS failures a notice is a dead letter."""
    app = make_app(redis_url, MAIL_PORT=1, STREAMEND_MAX_ATTEMPTS=1)
    record = deliver(app, "jam")["jam"]
    assert (record["state"], record["attempts"]) == ("dead", 1)
    assert "ConnectionRefusedError" in record["error"]
    assert ":1'" in record["error"], "it says which server was asked"
    assert state(app).store.totals(0).dead == 1


@pytest.mark.parametrize("config", [{"TESTING": True}, {"MAIL_SUPPRESS_SEND": True}])
def test_suppressed_mail_is_skipped_and_never_sent(
    start: Start, redis_url: str, caplog: pytest.LogCaptureFixture, config: dict[str, bool]
) -> None:
    """Where Flask-Mail suppresses mail, the notice is recorded as skipped, with the reason."""
    server = start()
    app = make_app(redis_url, MAIL_PORT=server.port, **config)
    record = deliver(app, "jam")["jam"]
    assert (record["state"], record["error"]) == ("skipped", "suppressed")
    assert counts(app) == {"skipped": 1}
    assert "mail-suppressed: Flask-Mail sends nothing under TESTING" in caplog.text
    assert server.handler.raw == []


def test_a_host_without_an_address_is_skipped(start: Start, redis_url: str) -> None:
    """An event whose host has no address is skipped and counted."""
    app = make_app(redis_url, MAIL_PORT=start().port)
    state(app).extension.event_loader(lambda event_id: Event(event_id, "n", "h", None))
    record = deliver(app, "jam")["jam"]
    assert (record["state"], record["error"]) == ("skipped", "no_address")


def test_a_retry_comes_by_itself(
    start: Start, start_site: StartSite, start_worker: StartWorker
) -> None:
    """After a failed attempt a plain ``rq worker --with-scheduler`` tries again, and once."""
    refusals = ["451 try again"]
    server = start(Inbox(refuse=lambda address: refusals.pop() if refusals else ""))
    site = start_site(MAIL_PORT=server.port, STREAMEND_DELAY=0, STREAMEND_RETRY_BACKOFF=0.1)
    start_worker(site, "--with-scheduler")
    site.watch("jam").close()
    eventually(lambda: server.handler.raw, "the mail came at the second attempt")
    name = 'streamend_notifications_total{{channel="email",status="{}"}}'.format
    eventually(lambda: site.metric(name("sent")) == 1, "it is counted as sent")
    assert site.metric(name("failed")) == 1
    assert len(server.handler.raw) == 1
