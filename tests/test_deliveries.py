"""What a deliverer makes of hosts' wishes, by real mail and real posts, with time in hand."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from jinja2 import FileSystemLoader

from flask_streamend import Event, MailChannel, Notice, Preferences, StreamEnd, signals
from flask_streamend.errors import ConfigurationError
from flask_streamend.event import NoticeRecord
from flask_streamend.notices import leased
from flask_streamend.notices.base import Skip
from flask_streamend.notices.leased import TURN_MS, Leased
from flask_streamend.store.base import Record
from flask_streamend.store.memory import MemoryStore
from flask_streamend.testing import live
from flask_streamend.wiring import build

from .apps.local import make_app, state
from .apps.pages import ROOT, blocks, marked
from .apps.store import LEASE, end
from .apps.wishes import load_event
from .hooks import Hook, Receiver
from .servers import PATIENCE, eventually
from .smtp import Inbox, Server

HOUR = 3_600.0
PAGE = ROOT / "docs" / "preferences.md"


class Desk:
    """An application that delivers, by e-mail and by two hooks, when a test says so."""

    def __init__(self, mail_port: int, hook: Receiver, other: Receiver) -> None:
        self.inbox_refuses = ""
        self.hook, self.other = hook, other
        self.now = 1_700_000_000.0
        app = Flask("desk")
        app.config.update(
            SECRET_KEY="tests",
            STREAMEND_REDIS_URL="memory://",
            MAIL_DEFAULT_SENDER="live@example.org",
            MAIL_SERVER="127.0.0.1",
            MAIL_PORT=mail_port,
        )
        channels = [Hook("hook", hook.url), Hook("other", other.url)]
        extension = StreamEnd(app, event_loader=self.load, channels=channels)
        self.app = app
        self.changed: dict[str, Any] = {}
        self.store = MemoryStore(self.clock)
        self.state = build(app, state(app).settings, extension, self.store)

    def clock(self) -> float:
        """Return the time; each look at it takes a millisecond."""
        self.now += 0.001
        return (math.floor(self.now * 1000) + 0.5) / 1000

    def load(self, event_id: str) -> Event | None:
        """Return an event as its id wishes, or as a test changed it."""
        return self.changed.get(event_id, load_event(event_id))

    def change(self, event_id: str, wishes: str) -> None:
        """Have an event's host wish what another id says."""
        event = load_event(wishes)
        assert event is not None
        self.changed[event_id] = replace(event, id=event_id)

    def end(self, *events: str) -> None:
        """Have events end, and what is due delivered."""
        for event in events:
            end(self.store, event)
        self.work()

    def wait(self, seconds: float) -> None:
        """Have time pass, with somebody about: a store that heard of nobody waits."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + 2)
            self.store.heartbeat("", LEASE, 0)

    def work(self, after: float = 0.0) -> None:
        """Have what is due delivered, after so many seconds."""
        self.wait(after)
        with self.app.app_context():
            self.state.deliverer.deliver_due()

    def records(self) -> dict[str, Record]:
        """Return the ledger's records by event and channel, and see that it balances."""
        totals = self.store.totals(0)
        assert (totals.sessions_unaccounted, totals.deliveries_unaccounted) == (0, 0)
        rows = {f"{row.event_id} {row.channel}": row for row in self.store.records(1000)}
        return dict(sorted(rows.items()))

    def states(self) -> dict[str, str]:
        """Return the same as states."""
        return {name: record.state for name, record in self.records().items()}

    def kept(self, *events: str) -> float:
        """Return for how many seconds nobody else may take up what is told of these events."""
        rows = [row for row in self.store.records(1000) if row.event_id in events]
        return min(row.next_at or 0.0 for row in rows) - self.now

    def counter(self, field: str) -> int:
        """Return a counter."""
        return self.store.totals(0).counters.get(field, 0)


@pytest.fixture
def inbox() -> Inbox:
    """Return what the mail server takes."""
    return Inbox()


@pytest.fixture
def desk(inbox: Inbox) -> Iterator[Desk]:
    """Return a desk with real servers."""
    server, hook, other = Server(inbox), Receiver(), Receiver()
    server.start()
    yield Desk(server.port, hook, other)
    server.stop()
    hook.stop()
    other.stop()


def subjects(inbox: Inbox) -> list[str]:
    """Return the subjects of what was mailed."""
    return [str(message["Subject"]) for message in inbox.messages]


# Channels.


def test_a_host_is_told_by_each_channel_once(desk: Desk, inbox: Inbox) -> None:
    """Three channels, three messages, each with the same id; a later change has no effect."""
    event = "jam~by-email.hook.other"
    desk.end(event)
    desk.work(HOUR)
    assert subjects(inbox) == [f"Event Stream Ended - The {event}"]
    (mail,), (hook,), (other,) = inbox.messages, desk.hook.tries, desk.other.tries
    assert mail["Message-ID"] == hook["id"] == other["id"]
    assert desk.states() == {f"{event} {name}": "sent" for name in ("email", "hook", "other")}
    for name in ("email", "hook", "other"):
        assert desk.counter(f"notifications|{name}|sent") == 1
        assert desk.counter(f"notification_latency|{name}|count") == 1


def test_one_channel_that_fails_neither_holds_up_nor_repeats_another(
    desk: Desk, inbox: Inbox
) -> None:
    """While one is away the others tell; when it is back it tells what it owes, they nothing."""
    desk.hook.status = 503
    first, second = "jam~by-hook.email", "gig~by-email.hook.other"
    desk.end(first, second)
    assert len(inbox.messages) == 2
    assert len(desk.other.taken) == 1
    assert desk.hook.taken == []
    assert desk.records()[f"{first} hook"].state == "retrying"
    for _ in range(3):
        desk.work(60)
    desk.hook.status = 200
    desk.work(HOUR)
    assert {one["event"] for one in desk.hook.taken} == {first, second}
    assert (len(desk.hook.taken), len(inbox.messages), len(desk.other.tries)) == (2, 2, 1)
    assert set(desk.states().values()) == {"sent"}


def test_channels_are_frozen_at_the_first_attempt(desk: Desk, inbox: Inbox) -> None:
    """A host who changes channels afterwards has the change for later ends only."""
    event = "jam~by-email.hook"
    desk.hook.status = 503
    desk.end(event)
    desk.change(event, "jam~by-other")
    desk.hook.status = 200
    desk.work(HOUR)
    assert desk.other.tries == []
    assert (len(inbox.messages), len(desk.hook.taken)) == (1, 1)


def test_a_channel_that_nobody_registered_is_a_dead_letter(
    desk: Desk, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    """It says what is wrong and what there is; the host's other channels tell."""
    event = "jam~by-fax.email"
    desk.end(event, "gig~by-telex")
    assert subjects(inbox) == [f"Event Stream Ended - The {event}"]
    row = desk.records()[f"{event} fax"]
    assert (row.state, row.attempts) == ("dead", 1)
    assert "no channel is named 'fax': expected one of email, hook, other" in row.error
    assert desk.records()["gig~by-telex telex"].state == "dead"
    assert desk.store.totals(0).dead == 2
    desk.state.tally.flush()
    assert desk.counter("errors|channel") == 2
    assert "no channel is named 'fax'" in caplog.text


def test_no_channel_at_all_is_as_muted(desk: Desk, inbox: Inbox) -> None:
    """A host who chose no channel is told nothing, as one who is muted; both are counted."""
    desk.end("jam~by-", "gig~muted")
    # An id can't say "none": the loader does.
    desk.changed["set"] = replace(
        load_event("set"),
        preferences=replace(load_event("set").preferences, channels=()),  # type: ignore
    )
    desk.end("set")
    assert desk.counter("skips|muted") == 2
    assert subjects(inbox) == ["Event Stream Ended - The jam~by-"]


def test_only_mail_needs_an_address(desk: Desk, inbox: Inbox) -> None:
    """Without an address the host is told by the other channel, and e-mail is skipped."""
    event = "jam~host-nowhere~by-email.hook"
    desk.end(event)
    assert desk.states() == {f"{event} email": "skipped", f"{event} hook": "sent"}
    assert desk.records()[f"{event} email"].attempts == 0
    assert desk.counter("skips|no_address") == 1
    assert (len(inbox.messages), len(desk.hook.taken)) == (0, 1)


def test_a_channel_in_trouble_is_tried_after_the_others(desk: Desk, inbox: Inbox) -> None:
    """Ends that fell due after its own failure do not wait for each of its time-outs."""
    order: list[str] = []
    hook = desk.state.deliverer.channels["hook"]
    mail_send = desk.state.deliverer.channels["email"].send

    def slow(notice: Any) -> None:
        order.append("hook")
        raise TimeoutError("it took too long")

    def fast(notice: Any) -> None:
        order.append("email")
        mail_send(notice)

    hook.send = slow  # type: ignore[method-assign]
    desk.state.deliverer.channels["email"].send = fast  # type: ignore[method-assign]
    desk.end(*(f"jam{number}~by-hook.email" for number in range(5)))
    assert order == ["hook", *["email"] * 5, *["hook"] * 4]
    assert len(inbox.messages) == 5


def test_a_channel_with_a_connection_is_released_after_each_round(desk: Desk) -> None:
    """What a channel keeps open is released when nothing more is due, and kept if so wished."""
    said: list[str] = []
    hook: Any = desk.state.deliverer.channels["hook"]
    hook.keep = lambda: said.append("keep")
    hook.release = lambda: said.append("release")
    desk.work()
    desk.state.deliverer.keep_connection()
    desk.end("jam~by-hook")
    assert said == ["release", "keep", "release"]


# Leases.


def still_kept(desk: Desk, *events: str) -> None:
    """Have more time pass than a lease lasts, and see that these are extended meanwhile."""
    for _ in range(3):
        desk.wait(TURN_MS / 1500)
        eventually(lambda: desk.kept(*events) > TURN_MS / 1500, "they are kept")
    taken = desk.store.take("another", LEASE, 10)
    assert not {delivery.event_id for delivery in taken} & set(events)


def test_what_waits_for_its_turn_at_a_worker_that_lives_stays_its_own(desk: Desk) -> None:
    """A notice takes for ever, longer than a lease of those behind it: nobody else takes them."""
    hook, asked, answered = desk.state.deliverer.channels["hook"], [], threading.Event()

    def slow(notice: Notice) -> None:
        asked.append(notice.event.id)
        assert answered.wait(PATIENCE)

    hook.send = slow  # type: ignore[method-assign]
    events = [f"jam{number}~by-hook" for number in range(3)]
    worker = threading.Thread(target=desk.end, args=events)
    worker.start()
    eventually(lambda: asked, "the first is being told")
    still_kept(desk, *events[1:])
    answered.set()
    worker.join(PATIENCE)
    assert asked == events
    assert set(desk.states().values()) == {"sent"}


def test_what_was_put_off_stays_its_worker_s_while_it_is_prepared(desk: Desk) -> None:
    """Its channel had been in trouble, and takes its time to connect: it is told all the same."""
    hook: Any = desk.state.deliverer.channels["hook"]
    prepared: list[int] = []
    connected = threading.Event()

    def prepare() -> None:
        prepared.append(len(prepared))
        if len(prepared) == 1:
            raise TimeoutError("it took too long")
        assert connected.wait(PATIENCE)

    hook.prepare = prepare
    worker = threading.Thread(target=desk.end, args=[f"{e}~by-hook" for e in ("jam", "gig", "set")])
    worker.start()
    eventually(lambda: len(prepared) == 2, "the first that was put off is being told")
    assert desk.kept("set~by-hook") > 2 * TURN_MS / 1000
    desk.wait(leased.PATIENCE)
    still_kept(desk, "gig~by-hook")
    connected.set()
    worker.join(PATIENCE)
    told = desk.records()["gig~by-hook hook"]
    assert (told.state, told.attempts) == ("sent", 1)


def test_what_waits_behind_a_notice_that_hangs_is_another_s_in_the_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker lives, and gets no further: it goes on to keep the one that it tells."""
    hook, sent, hangs = desk.state.deliverer.channels["hook"], [], threading.Event()
    kept: list[list[str]] = []
    extend = desk.store.extend

    def noted(owner: str, deliveries: Sequence[str], lease: int) -> None:
        kept.append(list(deliveries))
        extend(owner, deliveries, lease)

    def slow(notice: Notice) -> None:
        sent.append(notice.event.id)
        assert hangs.wait(PATIENCE)

    monkeypatch.setattr(leased, "PATIENCE", 0.0)
    monkeypatch.setattr(desk.store, "extend", noted)
    hook.send = slow  # type: ignore[method-assign]
    events = [f"jam{number}~by-hook" for number in range(3)]
    worker = threading.Thread(target=desk.end, args=events)
    worker.start()
    first = eventually(lambda: kept, "the worker says that it lives")[0]
    ids = {row.event_id: row.id for row in desk.store.records(10)}
    assert first == [ids[events[0]]]
    desk.wait(TURN_MS / 1000)
    taken = desk.store.take("another", LEASE, 10)
    assert [delivery.event_id for delivery in taken] == events[1:]
    hangs.set()
    worker.join(PATIENCE)
    assert sent == events[:1]


def test_where_no_thread_can_be_had_hosts_are_told(desk: Desk, inbox: Inbox) -> None:
    """They are told by one who could not say that it lives, should that take long."""

    def watch(seconds: float, act: Callable[[], None]) -> AbstractContextManager[None]:
        raise RuntimeError("can't start new thread")

    desk.state.deliverer.leased.watch = watch
    desk.end("jam")
    assert len(inbox.messages) == 1


def test_what_a_killed_worker_took_up_is_soon_told_by_another(desk: Desk, inbox: Inbox) -> None:
    """It has not begun to send them: its leases lapse within the 5 s in which ends are told."""
    for number in range(3):
        end(desk.store, f"jam{number}")
    assert len([*Leased(desk.store, "who is killed").take()]) == 3
    desk.work()
    assert inbox.messages == []
    desk.work(3.0)
    assert len(inbox.messages) == 3


# Digests.


def test_five_ends_become_one_mail(desk: Desk, inbox: Inbox) -> None:
    """A host's ends are one mail that lists them, sent when the first has waited long enough."""
    events = [f"jam{number}~host-7~digest-600" for number in range(5)]
    for event in events:
        desk.end(event)
        desk.wait(60)
    assert inbox.messages == []
    assert set(desk.states().values()) == {"pending"}
    desk.work(299)
    assert inbox.messages == []
    desk.work(3)
    (mail,) = inbox.messages
    assert mail["Subject"] == "5 Event Streams Ended"
    assert inbox.recipients == ["host7@example.org"]
    body = mail.get_body(("plain",))
    html = mail.get_body(("html",))
    assert body is not None
    assert html is not None
    text, page = (part.get_content().replace("\r\n", "\n") for part in (body, html))
    assert text.startswith("Event Streams Completed\nYour event streams have ended\n\nThe jam0~")
    for minute, event in enumerate(events, 13):
        line = f"Ended on 2023-11-14 at 22:{minute} UTC. All viewers have disconnected"
        assert f"The {event}\n{line}" in text
        assert f"http://localhost:8081/events/{event}\n" in text
        assert page.count(f'<a href="http://localhost:8081/events/{event}"') == 1
    states = desk.store.totals(0).deliveries
    assert (states["digested"], states["sent"], states["pending"]) == (5, 1, 0)
    assert desk.counter("notification_latency|email|count") == 1
    assert desk.counter("notification_latency|email|sum") < 5_000
    desk.work(HOUR)
    assert len(inbox.messages) == 1


def test_a_digest_looks_as_it_is_shown() -> None:
    """The documentation shows the very text of a digest."""
    jam = Event("friday-jam", "Friday jam", "7", "host@example.org")
    bus = Event("night-bus", "Night bus", "7", "host@example.org")
    url = "https://live.example.org/events/{}".format
    first = Notice(jam, "s1", 1_772_832_600.0, url(jam.id), "<1@here>")
    second = Notice(bus, "s2", 1_772_833_260.0, url(bus.id), "<2@here>", stopped=True)
    app = make_app("memory://")
    with app.app_context():
        mail = MailChannel(state(app).settings)
        message = mail.message(replace(first, members=(second, first)))
    assert message.body == marked(PAGE, "shows", "digest").body
    assert message.subject == "2 Event Streams Ended"


def test_an_application_s_own_template_is_used(tmp_path: Path) -> None:
    """A digest's templates can be replaced, and hostile names neither break subject nor page."""
    name = "<b>Jam</b>\r\nBcc: you@example.org"
    jam = Event("jam", name, "7", "host@example.org")
    notice = Notice(jam, "s1", 0.0, "https://live.example.org", "<1@here>")
    notice = replace(notice, members=(notice, notice))
    app = make_app("memory://")
    channel = MailChannel(state(app).settings)
    with app.app_context():
        message = channel.message(notice)
        assert not message.has_bad_headers()
        assert "&lt;b&gt;Jam&lt;/b&gt; Bcc: you@example.org" in str(message.html)
        assert "<b>" not in str(message.html)
        assert "\n<b>Jam</b> Bcc: you@example.org\n" in str(message.body)
    (tmp_path / "streamend").mkdir()
    (tmp_path / "streamend" / "digest.txt").write_text("{{ ends | length }} of {{ title }}")
    own = make_app("memory://")
    own.jinja_loader = FileSystemLoader(tmp_path)
    with own.app_context():
        assert channel.message(notice).body == "2 of Event Streams Completed\n"


def test_an_application_s_own_layout_is_that_of_both(tmp_path: Path) -> None:
    """One template has what surrounds a notice and a digest: its replacement surrounds both."""
    jam = Event("jam", "Friday jam", "7", "host@example.org")
    notice = Notice(jam, "s1", 0.0, "https://live.example.org", "<1@here>")
    (tmp_path / "streamend").mkdir()
    own = "<main>{{ title }}{% block content %}{% endblock %}</main>"
    (tmp_path / "streamend" / "layout.html").write_text(own)
    app = make_app("memory://")
    app.jinja_loader = FileSystemLoader(tmp_path)
    channel = MailChannel(state(app).settings)
    with app.app_context():
        for told in (notice, replace(notice, members=(notice, notice))):
            html = str(channel.message(told).html)
            assert html.startswith(f"<main>{told.title}")
            assert html.endswith("</tr>\n</main>")
            assert "Friday jam" in html


def test_a_digest_of_one_is_an_ordinary_notice(desk: Desk, inbox: Inbox) -> None:
    """Where nothing else ended meanwhile, the mail is as any other."""
    desk.end("jam~digest-600")
    desk.work(601)
    assert subjects(inbox) == ["Event Stream Ended - The jam~digest-600"]


def test_each_channel_has_a_digest(desk: Desk, inbox: Inbox) -> None:
    """Two channels: two digests of the same ends, and one that fails is tried again as one."""
    events = [f"jam{number}~by-email.hook~digest-600" for number in range(3)]
    desk.end(*events)
    desk.hook.status = 503
    desk.work(601)
    assert subjects(inbox) == ["3 Event Streams Ended"]
    assert len(desk.hook.tries) == 1
    # It begins another.
    desk.end("late~by-email.hook~digest-600")
    desk.hook.status = 200
    desk.work(60)
    (posted,) = desk.hook.taken
    assert sorted(posted["members"]) == events
    assert desk.hook.tries[0] == posted
    assert inbox.messages[0]["Message-ID"] != posted["id"]
    desk.work(HOUR)
    assert subjects(inbox)[1:] == ["Event Stream Ended - The late~by-email.hook~digest-600"]
    assert len(desk.hook.taken) == 2


def test_hosts_have_digests_of_their_own(desk: Desk, inbox: Inbox) -> None:
    """What one host is told shows nothing of another, and no key in the store shows who it is."""
    desk.end(*(f"jam{n}~host-{n % 2}secret~digest-600" for n in range(4)))
    assert len(desk.store._digests) == 2
    assert "secret" not in str(list(desk.store._digests))
    desk.work(601)
    assert sorted(inbox.recipients) == ["host0secret@example.org", "host1secret@example.org"]
    assert subjects(inbox) == ["2 Event Streams Ended"] * 2
    assert desk.store._digests == {}


def test_what_has_no_host_s_id_is_in_no_digest(desk: Desk, inbox: Inbox) -> None:
    """Events that are nobody's have no host in common: each is told at once, by itself."""
    events = ("jam~digest-600", "gig~digest-600")
    for event_id in events:
        event = load_event(event_id)
        assert event is not None
        desk.changed[event_id] = replace(event, host_id="", host_email=f"{event_id}@example.org")
    desk.end(*events)
    assert sorted(inbox.recipients) == sorted(f"{event_id}@example.org" for event_id in events)
    assert desk.store._digests == {}


def test_who_is_gone_or_muted_by_then_is_left_out(desk: Desk, inbox: Inbox) -> None:
    """A digest tells what is still to be told, and counts what is not."""
    events = [f"jam{number}~digest-600" for number in range(4)]
    desk.end(*events)
    desk.changed[events[1]] = None
    desk.change(events[2], "jam~muted")
    desk.work(601)
    assert subjects(inbox) == ["2 Event Streams Ended"]
    assert (desk.counter("skips|no_event"), desk.counter("skips|muted")) == (1, 1)
    assert desk.store.totals(0).deliveries["skipped"] == 2


def test_a_digest_of_nobody_is_skipped(desk: Desk, inbox: Inbox) -> None:
    """A host muted meanwhile is told nothing; each end is counted once."""
    events = [f"jam{number}~digest-600" for number in range(3)]
    desk.end(*events)
    for event in events:
        desk.change(event, "jam~muted")
    desk.work(601)
    assert inbox.messages == []
    assert desk.counter("skips|muted") == 3
    assert desk.store.totals(0).deliveries["skipped"] == 4
    assert desk.store.next_try() is None


def test_a_digest_waits_for_an_event_loader_that_fails(desk: Desk, inbox: Inbox) -> None:
    """It is told in full when the loader answers again."""
    events = [f"jam{number}~digest-600" for number in range(3)]
    desk.end(*events)
    desk.changed[events[2]] = "no event at all"
    desk.work(601)
    assert inbox.messages == []
    del desk.changed[events[2]]
    desk.work(60)
    assert subjects(inbox) == ["3 Event Streams Ended"]
    desk.work(HOUR)
    assert len(inbox.messages) == 1


def test_what_was_tried_already_waits_for_no_digest(desk: Desk, inbox: Inbox) -> None:
    """A host who wishes a digest after a first attempt failed is told by itself at the next."""
    inbox.refuse = lambda address: "451 not now"
    desk.end("jam")
    inbox.refuse = lambda address: ""
    desk.change("jam", "jam~digest-600")
    desk.work(60)
    assert subjects(inbox) == ["Event Stream Ended - The jam~digest-600"]


def test_each_end_of_a_digest_is_signalled(desk: Desk, inbox: Inbox) -> None:
    """Whoever listens hears of each end that was told, or could not be."""
    heard: list[tuple[str, str]] = []

    def sent(sender: Flask, **what: Any) -> None:
        heard.append(("sent", what["event_id"]))

    def failed(sender: Flask, **what: Any) -> None:
        heard.append(("failed", what["event_id"]))

    events = [f"jam{number}~digest-600" for number in range(2)]
    with (
        signals.notification_sent.connected_to(sent, desk.app),
        signals.notification_failed.connected_to(failed, desk.app),
    ):
        desk.end(*events)
        inbox.refuse = lambda address: "451 not now"
        desk.work(601)
        inbox.refuse = lambda address: ""
        desk.work(60)
    assert heard == [(what, event) for what in ("failed", "sent") for event in events]


def test_each_end_of_a_digest_is_recorded(desk: Desk, inbox: Inbox) -> None:
    """Where notices are recorded, each end has a record by channel, with its message's own id."""

    class Book:
        def __init__(self) -> None:
            self.rows: dict[tuple[str, str], NoticeRecord] = {}

        def __call__(self, event_id: str) -> Event | None:
            return desk.load(event_id)

        def record(self, notices: Sequence[NoticeRecord]) -> None:
            self.rows |= {(one.event_id, one.channel): one for one in notices}

    book = Book()
    desk.state.extension.event_loader(book)
    events = [f"jam{number}~by-email.hook~digest-600" for number in range(3)]
    desk.end(*events)
    desk.changed[events[2]] = None
    desk.work(601)
    eventually(lambda: len(book.rows) == 6, "six records")
    ids = {"email": inbox.messages[0]["Message-ID"], "hook": desk.hook.taken[0]["id"]}
    for channel, id_ in ids.items():
        for event in events[:2]:
            row = book.rows[event, channel]
            assert (row.status, row.message_id, row.attempts) == ("sent", id_, 1)
        assert book.rows[events[2], channel].status == "skipped"


def test_a_digest_that_is_refused_is_one_dead_letter(desk: Desk, inbox: Inbox) -> None:
    """It can be taken up again, with the same members and the same Message-ID."""
    events = [f"jam{number}~digest-600" for number in range(2)]
    desk.end(*events)
    inbox.refuse = lambda address: "550 no such user"
    desk.work(601)
    totals = desk.store.totals(0)
    assert (totals.dead, totals.deliveries["digested"]) == (1, 2)
    (dead,) = (row for row in desk.store.records(10) if row.state == "dead")
    inbox.refuse = lambda address: ""
    assert desk.store.dead("retry", dead.id)
    desk.work()
    assert subjects(inbox) == ["2 Event Streams Ended"]


# As documented.


def example(words: str) -> dict[str, Any]:
    """Run the documentation's example that has these words, and return what it defines."""
    (block,) = (b for b in blocks("python") if b.page == PAGE and words in b.body)
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(block.body, str(block), "exec"), names)
    return names


def test_the_documented_channel_tells(capsys: pytest.CaptureFixture[str]) -> None:
    """A class of a name and a ``send`` is a channel; its word that a try is useless counts."""
    names = example("class Board")
    parts = state(names["app"])
    assert list(parts.deliverer.channels) == ["email", "board"]
    wishes = Preferences(channels=("board",))
    hosts = {"jam": "7", "gig": "0"}
    names["streamend"].event_loader(
        lambda event_id: Event(event_id, "Jam", hosts[event_id], None, preferences=wishes)
    )
    end(parts.store, "jam", "gig")
    with names["app"].app_context():
        parts.deliverer.deliver_due()
    assert capsys.readouterr().out == "Jam has ended\n"
    rows = {row.event_id: row for row in parts.store.records(10)}
    assert (rows["jam"].state, rows["gig"].state) == ("sent", "dead")
    assert rows["gig"].error.endswith("there is no board")


class Choosy(Hook):
    """A channel that tells beforehand whom it does not tell."""

    def check(self, notice: Notice) -> None:
        """Skip everybody, by a word that is counted or by one that is not."""
        raise Skip("muted" if notice.event.id == "jam" else f"{notice.event.host_email} left")


def test_a_channel_skips_by_the_words_that_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Any other word could be anything, an address too: it is a failure, and stands nowhere."""
    app = Flask("choosy")
    app.config.update(STREAMEND_REDIS_URL="memory://", MAIL_DEFAULT_SENDER="live@example.org")
    wishes = Preferences(channels=("choosy",))
    streamend = StreamEnd(app, channels=[Choosy("choosy", "")])
    streamend.event_loader(lambda event_id: Event(event_id, "n", "1", "h@example.org", 0, wishes))
    store = state(app).store
    end(store, "jam", "gig")
    with app.app_context():
        state(app).deliverer.deliver_due()
    rows = {row.event_id: row for row in store.records(10)}
    assert (rows["jam"].state, rows["jam"].error) == ("skipped", "muted")
    assert rows["gig"].state == "retrying"
    assert "expected no_loader, no_event, no_address, muted, suppressed" in rows["gig"].error
    assert store.totals(0).counters["skips|muted"] == 1
    assert "left" not in caplog.text + rows["gig"].error


def test_the_documented_test_passes() -> None:
    """An application's own test of a digest, as it is shown."""
    example("def test_a_digest")["test_a_digest"]()


# Registering.


class Promising:
    """A channel that would send nothing, and count as one that did."""

    name = "promising"

    async def send(self, notice: Notice) -> None:
        """Promise to send."""


class Patient(Hook):
    """A channel that would ask later whom it tells, and tell everybody."""

    def __init__(self) -> None:
        super().__init__("patient", "")

    async def check(self, notice: Notice) -> None:
        """Promise to look."""


class Slow(Hook):
    """A channel that says how long it may take."""

    def __init__(self, name: str, longest: Any) -> None:
        super().__init__(name, "")
        self.longest = longest


@pytest.mark.parametrize(
    ("channels", "words"),
    [
        ([object()], "object, whose name is None: expected 1 to 32 of a-z"),
        ([Hook("Hook", "")], "Hook, whose name is 'Hook': expected"),
        ([Hook("_other", "")], "whose name is '_other'"),
        ([Hook("x" * 33, "")], "expected 1 to 32"),
        ([Hook("a", ""), Hook("a", "")], "named 'a' as another one: expected two names"),
        ([type("Mute", (), {"name": "mute"})()], "Mute, named 'mute': expected a method send"),
        ([Slow("a", -1)], "Slow, named 'a', whose longest is -1: expected the seconds"),
        ([Slow("a", 121)], "over 0 and up to 120"),
        ([Slow("a", "30")], "whose longest is '30': expected"),
        ([Slow("a", math.nan)], "whose longest is nan: expected"),
        ([Promising()], "Promising, named 'promising', whose send is async: expected a method"),
        ([Patient()], "Patient, named 'patient', whose check is async: expected a method"),
        ([Promising], "Promising itself: expected one that was made, Promising(…)"),
        (7, "is int: expected a list of channels"),
    ],
)
def test_a_channel_that_can_t_be_used_stops_the_start(channels: Any, words: str) -> None:
    """The error says which channel it is, and what was expected."""
    app = Flask("local")
    app.config.update(STREAMEND_REDIS_URL="memory://", MAIL_DEFAULT_SENDER="live@example.org")
    with pytest.raises(ConfigurationError) as error:
        StreamEnd(channels=channels).init_app(app)
    assert words in str(error.value)


def test_a_channel_may_take_e_mail_s_place() -> None:
    """E-mail is always there; an application's own by that name takes its place."""
    app = make_app("memory://")
    assert list(state(app).deliverer.channels) == ["email"]
    own = Hook("email", "")
    app = Flask("local")
    app.config.update(STREAMEND_REDIS_URL="memory://", MAIL_DEFAULT_SENDER="live@example.org")
    StreamEnd(app, channels=[own])
    assert state(app).deliverer.channels == {"email": own}


def test_every_channel_is_on_the_metrics_page_from_the_first_scrape(desk: Desk) -> None:
    """Counters and histograms have each registered channel as 0."""
    page = desk.app.test_client().get("/metrics").text
    for channel in ("email", "hook", "other"):
        for sample in (
            f'streamend_notifications_total{{channel="{channel}",status="sent"}} 0.0',
            f'streamend_delivery_failures_total{{channel="{channel}",reason="connect"}} 0.0',
            f'streamend_notification_latency_seconds_count{{channel="{channel}"}} 0.0',
            f'streamend_send_duration_seconds_count{{channel="{channel}"}} 0.0',
        ):
            assert sample in page


# For an application's own tests.


def test_a_test_s_stage_shows_what_each_channel_was_to_send(desk: Desk) -> None:
    """Preferences and digests can be tested with no server: each channel's notices are kept."""
    with live(desk.app) as stage:
        with stage.viewer("jam~by-email.hook"), stage.viewer("gig~by-hook~digest-60"):
            pass
        stage.advance(30)
        assert [notice.event.id for notice in stage.sent["email"]] == ["jam~by-email.hook"]
        assert [notice.event.id for notice in stage.sent["hook"]] == ["jam~by-email.hook"]
        stage.advance(60)
        (_, digest) = stage.sent["hook"]
        assert [member.event.id for member in digest.members] == ["gig~by-hook~digest-60"]
        assert len(stage.mails) == 1
    assert desk.hook.tries == []


def test_nothing_private_is_logged(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Neither address nor name of an event stands in what is logged of digests and channels."""
    caplog.set_level(logging.DEBUG)
    desk.hook.status = 503
    desk.end("jam~by-email.hook.fax~digest-60")
    desk.work(61)
    records = [record for record in caplog.records if record.name == "flask_streamend"]
    said = "\n".join(f"{record.getMessage()} {vars(record)}" for record in records)
    assert "Event end notification scheduled for host h***@example.org" in said
    assert "host1@" not in said
    assert "The jam" not in said
