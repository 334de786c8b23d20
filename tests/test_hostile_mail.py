"""Names and addresses as hostile as they come, in the mail: what goes out, and what never does."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flask_streamend import Event, Notice, PermanentError
from flask_streamend.notices import recipient
from flask_streamend.notices.mail import MailChannel, message_id
from flask_streamend.notices.recipient import check_address
from flask_streamend.testing import live
from flask_streamend.words import one_line

from .apps.local import make_app, state
from .smtp import Inbox, Server

MANY = settings(max_examples=150, deadline=None)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Return a mail server."""
    controller = Server(Inbox())
    controller.start()
    yield controller
    controller.stop()


@pytest.fixture(scope="module")
def sender(server: Server) -> Flask:
    """Return an application that sends over it."""
    return make_app(MAIL_PORT=server.port)


def notice(name: str = "The jam", to: str = "host@example.org") -> Notice:
    """Return a notice about an event with this name, for this host."""
    event = Event("jam", name, "h1", to)
    return Notice(event, "5e55", 1.7e9, "https://x.test/events/jam", message_id("jam", "5e55", ""))


NAMES = st.text(max_size=400) | st.text(
    "\r\n\x00\x1b<>&\"'\u202e\u2066\u200b\u2028\ud800 :;,@=?", max_size=60
)


@settings(max_examples=60, deadline=None)
@given(NAMES)
@example("Jam\r\nBcc: evil@example.org\r\n\r\n<script>")
@example("x" * 10_000)
@example("🎸" * 10_000)
@example("\u202egnp.exe")
@example("\ud800")
@example("=?utf-8?b?SGk=?=")
@example("")
def test_any_name_is_a_name_and_no_more(sender: Flask, server: Server, name: str) -> None:
    """Whatever an event is called, its mail goes out, with the usual headers, text and HTML."""
    server.handler.messages.clear()
    server.handler.raw.clear()
    with sender.app_context(), MailChannel(state(sender).settings) as channel:
        channel.send(notice())
        channel.send(notice(name))
    usual, message = server.handler.messages
    assert message.keys() == usual.keys()
    assert not message.defects
    assert message["To"] == "host@example.org"
    assert message["Subject"].startswith("Event Stream Ended -")
    assert len(message["Subject"]) < 300
    assert not re.search("[\r\n\u202a-\u202e\u2066-\u2069]", message["Subject"])
    raw = server.handler.raw[1]
    assert raw.isascii()
    assert max(map(len, raw.splitlines())) <= 998
    text, page = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    # The name has its place, in one line.
    lines = text.replace("\r\n", "\n").splitlines()
    usual_lines = usual.get_body(("plain",)).get_content().replace("\r\n", "\n").splitlines()
    assert len(lines) == len(usual_lines)
    assert lines[3].startswith('Your event "')
    assert lines[3].endswith('" stream has ended. All viewers have disconnected from the stream.')
    assert one_line(name) in lines[3]
    assert "<script" not in page
    assert page.count("<") == usual.get_body(("html",)).get_content().count("<")


@MANY
@given(st.text())
def test_a_name_is_one_line_that_stays_so(name: str) -> None:
    """A name made one line holds no control character, can be written, and stays as it is."""
    line = one_line(name)
    assert one_line(line) == line
    line.encode()
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", line)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("host", "is no e-mail address"),
        ("host@", "is no e-mail address"),
        ("@example.org", "is no e-mail address"),
        ("ho st@example.org", "is no e-mail address"),
        ("host@exa mple.org", "is no e-mail address"),
        ("host@example..org", "is no e-mail address"),
        ("host@x@example.org", "is no e-mail address"),
        ("a\x00b@example.org", "is no e-mail address"),
        ("friends: a@example.org;", "is no e-mail address"),
        (" ", "is no e-mail address"),
        ("a@example.org, b@example.org", "is more than one"),
        ("a,b@example.org", "is more than one"),
        ("host@example.org\r\nBcc: evil@example.org", "holds a line break"),
        ("höst@example.org", "is not ASCII before the @"),
        ("\u202ehost@example.org", "is not ASCII before the @"),
        ("h" * 65 + "@example.org", "is too long"),
        (f"host@{'x' * 60}.{'y' * 60}.{'z' * 60}.{'w' * 60}.{'v' * 20}.org", "is too long"),
        ("h" * 1000 + "@example.org", "has 1,012 characters"),
        (f"host@{'ü' * 70}.example", "is no e-mail address"),
    ],
)
def test_an_address_that_is_none_is_refused_for_good(
    sender: Flask, server: Server, text: str, why: str
) -> None:
    """A dead letter at the first attempt, whose words say why and show no address."""
    before = len(server.handler.raw)
    channel = MailChannel(state(sender).settings)
    with sender.app_context(), channel, pytest.raises(PermanentError) as caught:
        channel.send(notice(to=text))
    assert str(caught.value) == f"the host's address can't be used: it {why}"
    assert caught.value.reason == "refused"
    assert len(server.handler.raw) == before


@pytest.mark.parametrize(
    ("text", "envelope"),
    [
        ("host@example.org", "host@example.org"),
        (" host@example.org ", "host@example.org"),
        ("<host@example.org>", "host@example.org"),
        ("host@example.org,", "host@example.org"),
        ("host@example.org (the host)", "host@example.org"),
        ('"Host, the" <host@example.org>', "host@example.org"),
        ("Jürgen Groß <host@bücher.example>", "host@xn--bcher-kva.example"),
        ("host+tag@[127.0.0.1]", "host+tag@[127.0.0.1]"),
        ('"a b"@example.org', '"a b"@example.org'),
    ],
)
def test_an_address_however_it_is_written(
    sender: Flask, server: Server, text: str, envelope: str
) -> None:
    """An address may have a name, brackets, a comment, a domain in any script."""
    server.handler.recipients.clear()
    with sender.app_context(), MailChannel(state(sender).settings) as channel:
        channel.send(notice(to=text))
    assert server.handler.recipients == [envelope]


ADDRESSES = (
    st.text(max_size=100)
    | st.emails()
    | st.text('ab@.<>(),;:\\"[] \r\n\t=?ü', max_size=40)
    | st.lists(st.emails(), min_size=2, max_size=3).map(", ".join)
)


@settings(max_examples=300, deadline=None)
@given(ADDRESSES)
@example("<")
@example('"')
@example("a@")
@example("(" * 500)
def test_a_text_is_one_address_or_none(text: str) -> None:
    """Whatever stands in the column: one address in one line, or an error that shows nothing."""
    try:
        address = check_address(text)
    except PermanentError as error:
        words = str(error)
    else:
        words = ""
        assert not re.search("[\r\n]", address)
        assert check_address(address) == address
    assert not words or words.startswith("the host's address can't be used: it ")
    assert len(words) < 100


_ATOMS = st.text("aZ0._-+!#'é@", max_size=12)


@settings(max_examples=500, deadline=None)
@given(st.emails() | st.builds("{}@{}".format, _ATOMS, _ATOMS))
@example("a@b")
@example("a_b@c_d.example")
@example("a@b.")
@example("a..b@c")
@example(f"{'a' * 65}@example.org")
@example(f"a@{'b.' * 126}org")
def test_a_plain_address_is_what_the_parser_says(text: str) -> None:
    """Most are not parsed, which took most of a notice's time; it says the same of each."""

    def verdict() -> str:
        try:
            return check_address(text)
        except PermanentError as error:
            return str(error)

    without_parser = verdict()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipient, "_PLAIN", re.compile("(?!)"))
        assert verdict() == without_parser


def test_a_host_whose_address_is_bad_is_a_dead_letter(caplog: pytest.LogCaptureFixture) -> None:
    """The end is not lost: it is shown, once tried, with the reason and without the address."""
    app = make_app("memory://", STREAMEND_DELAY=1)
    state(app).extension.event_loader(
        lambda event_id: Event(event_id, "The jam", "h1", "a@example.org, b@example.org")
    )
    with live(app) as stage:
        with stage.viewer("jam"):
            pass
        stage.advance(60)
        (record,) = stage.state.store.records(10)
        assert (record.state, record.attempts) == ("dead", 1)
        assert record.error == (
            "PermanentError: the host's address can't be used: it is more than one"
        )
        assert "b@example.org" not in caplog.text
        assert stage.mails == []
