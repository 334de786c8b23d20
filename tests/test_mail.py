"""The notice as a mail: its words, headers and addresses, whatever an event is called."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_mail import Mail, Message

from flask_streamend import Event, MailChannel, Notice, PermanentError
from flask_streamend.notices import smtp as smtp_module
from flask_streamend.notices.mail import event_url, message_id, sender_of

from .apps.local import make_app, state
from .smtp import Inbox, Server


@pytest.fixture
def server() -> Iterator[Server]:
    """Return a mail server."""
    controller = Server(Inbox())
    controller.start()
    yield controller
    controller.stop()


@pytest.fixture
def app(server: Server) -> Flask:
    """Return an application that sends over it."""
    return make_app(MAIL_PORT=server.port)


def notice(name: str = "The jam", to: str | None = "host@example.org") -> Notice:
    """Return a notice about an event with this name, for this host."""
    event = Event("jam", name, "h1", to)
    url = event_url("https://live.example.org", "jam")
    return Notice(
        event, "5e55", 1_700_000_000.0, url, message_id("jam", "5e55", "live@example.org")
    )


def send(app: Flask, *notices: Notice) -> None:
    """Send notices over one channel."""
    with app.app_context(), MailChannel(state(app).settings) as channel:
        for one in notices:
            channel.send(one)


def sent(app: Flask, server: Server, one: Notice) -> EmailMessage:
    """Send a notice and return it as it arrived."""
    send(app, one)
    message: EmailMessage = server.handler.messages[-1]
    return message


def part(message: EmailMessage, subtype: str) -> str:
    """Return a part's text."""
    found = message.get_body((subtype,))
    assert found is not None
    content: str = found.get_content()
    return content.replace("\r\n", "\n")


def test_several_notices_take_one_connection(app: Flask, server: Server) -> None:
    """A channel keeps its connection from notice to notice, and ends it politely."""
    send(app, notice("One"), notice("Two"), notice("Three"))
    assert len(server.handler.raw) == 3
    assert len(server.handler.greetings) == 1


def test_the_application_s_own_mail_is_used(app: Flask, server: Server) -> None:
    """Where the application has Flask-Mail, its settings of that time hold, not a second Mail's."""
    own = Mail(app)
    before = app.extensions["mail"]
    app.config["MAIL_PORT"] = 1
    with own.record_messages() as outbox:
        send(app, notice())
    assert app.extensions["mail"] is before
    assert len(server.handler.raw) == len(outbox) == 1


def test_a_mail_is_made_only_where_there_is_none(app: Flask, server: Server) -> None:
    """Without Flask-Mail on the application the extension makes it, once, at the first send."""
    assert "mail" not in app.extensions
    send(app, notice())
    made = app.extensions["mail"]
    send(app, notice())
    assert app.extensions["mail"] is made
    assert len(server.handler.raw) == 2


def test_an_application_s_own_template_is_used(app: Flask, server: Server, tmp_path: Path) -> None:
    """A template of the same name in the application goes before the package's."""
    (tmp_path / "streamend").mkdir()
    (tmp_path / "streamend" / "notice.txt").write_text("Over: {{ event.name }}, see {{ url }}")
    app.template_folder = str(tmp_path)
    message = sent(app, server, notice())
    assert part(message, "plain") == "Over: The jam, see https://live.example.org/events/jam\n"
    assert "Event Stream Completed" in part(message, "html")


@pytest.mark.parametrize(
    "breaks", ["\r", "\n", "\r\n", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x00", "\r\n\r\n"]
)
def test_a_name_cannot_begin_another_header(app: Flask, server: Server, breaks: str) -> None:
    """A line break in an event's name is a space in the subject: one line, no further header."""
    clean = sent(app, server, notice("Jam Bcc: evil@example.org"))
    message = sent(app, server, notice(f"Jam{breaks}Bcc: evil@example.org"))
    assert message.keys() == clean.keys()
    assert message["Subject"] == "Event Stream Ended - Jam Bcc: evil@example.org"
    assert message["Bcc"] is None
    head = server.handler.raw[-1].partition(b"\r\n\r\n")[0]
    assert len(re.findall(rb"(?mi)^subject:", head)) == 1
    assert server.handler.recipients == ["host@example.org"] * 2


@pytest.mark.parametrize("to", ["host@example.org\r\nBcc: evil@example.org", "a@b.org\nc@d.org"])
def test_an_address_with_a_line_break_is_refused_for_good(
    app: Flask, server: Server, to: str
) -> None:
    """A host's address that would begin another header is never sent to, nor tried again."""
    with pytest.raises(PermanentError, match="line break") as caught:
        send(app, notice(to=to))
    assert "evil" not in str(caught.value)
    assert server.handler.raw == []


def test_a_sender_with_a_line_break_is_refused_for_good(app: Flask, server: Server) -> None:
    """The same is true of the sender."""
    app.config["MAIL_DEFAULT_SENDER"] = "live@example.org\nBcc: evil@example.org"
    with pytest.raises(PermanentError, match="line break"):
        send(app, notice())
    assert server.handler.raw == []


def test_no_sender_is_an_error_that_names_the_setting(app: Flask) -> None:
    """Without MAIL_DEFAULT_SENDER the error says so."""
    app.config["MAIL_DEFAULT_SENDER"] = None
    with pytest.raises(PermanentError, match="MAIL_DEFAULT_SENDER"):
        send(app, notice())


def test_html_is_escaped(app: Flask, server: Server) -> None:
    """Markup in a name is shown as it is written, in both parts."""
    name = "<script>alert('&amp;')</script> \"Jam\""
    message = sent(app, server, notice(name))
    assert f'Your event "{name}" stream has ended.' in part(message, "plain")
    html = part(message, "html")
    assert "<script" not in html
    assert "&lt;script&gt;alert(&#39;&amp;amp;&#39;)&lt;/script&gt; &#34;Jam&#34;" in html


@pytest.mark.parametrize("name", ["Jam 🎸🔥", "Żółta łódź", "夜のライブ", "לילה", "🎸" * 200])
def test_any_name_arrives(app: Flask, server: Server, name: str) -> None:
    """A name in any script, with emoji or very long, arrives in subject, text and HTML."""
    message = sent(app, server, notice(name))
    assert message["Subject"] == f"Event Stream Ended - {name}"
    assert f'"{name}"' in part(message, "plain")
    assert name in part(message, "html")


@pytest.mark.parametrize("name", ["Jam 🎸", "a" * 900, "<" * 300])
def test_a_mail_is_lines_of_ascii(app: Flask, server: Server, name: str) -> None:
    """On the wire a mail is 7 bit and has no line over RFC 5321's 998, whatever the name."""
    message = sent(app, server, notice(name))
    raw = server.handler.raw[-1]
    assert raw.isascii()
    assert max(map(len, raw.splitlines())) <= 998
    assert f'"{name}"' in part(message, "plain")


def test_a_host_with_a_name_and_an_international_domain(app: Flask, server: Server) -> None:
    """A host's address may carry a name, and names and domains that are not ASCII."""
    app.config["MAIL_DEFAULT_SENDER"] = ("Zoë Live", "live@bücher.example")
    message = sent(app, server, notice(to="Jürgen Groß <host@bücher.example>"))
    (address,) = message["To"].addresses
    assert (address.display_name, address.addr_spec) == (
        "Jürgen Groß",
        "host@xn--bcher-kva.example",
    )
    (address,) = message["From"].addresses
    assert (address.display_name, address.addr_spec) == ("Zoë Live", "live@xn--bcher-kva.example")
    assert server.handler.recipients == ["host@xn--bcher-kva.example"]
    assert server.handler.senders == ["live@xn--bcher-kva.example"]


def test_a_machine_with_a_name_that_is_not_ascii_can_send(
    app: Flask, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this host is called, which goes out with EHLO, never stops a notice."""
    smtp_module._full_name.cache_clear()
    monkeypatch.setattr(socket, "getfqdn", lambda name="": "büro-pc")
    try:
        send(app, notice())
    finally:
        smtp_module._full_name.cache_clear()
    assert len(server.handler.raw) == 1
    assert server.handler.greetings[0].isascii()


def test_a_message_is_flask_mail_s_in_all_it_holds(app: Flask) -> None:
    """It is not made as Flask-Mail makes one, and has each attribute, of the same kind."""
    with app.app_context():
        Mail(app)
        channel = MailChannel(state(app).settings)
        ours = channel.message(notice())
        theirs = Message("subject", ["host@example.org"], "body", "html", extra_headers={"a": "b"})
    kinds = {name: type(value) for name, value in vars(theirs).items()}
    assert {name: type(value) for name, value in vars(ours).items()} == kinds


def test_message_id_is_the_end_s() -> None:
    """The same end has the same Message-ID; another session, event or sender has another."""
    one = message_id("jam", "5e55", "live@example.org")
    assert one == message_id("jam", "5e55", "Live <live@example.org>")
    assert one.endswith("@example.org>")
    others = [
        message_id("jam", "5e56", "live@example.org"),
        message_id("gig", "5e55", "live@example.org"),
        message_id("jam", "5e55", "live@example.net"),
    ]
    assert len({one, *others}) == 4
    assert others[2] == one.replace("example.org", "example.net")
    assert "jam" not in one
    assert "5e55" not in one


@pytest.mark.parametrize(
    "sender",
    [
        "live@example.org",
        "Live <live@example.org>",
        '"a b"@example.org',
        "live@[127.0.0.1]",
        "live@bücher.example",
        "live",
        "",
    ],
)
def test_message_id_is_legal(sender: str) -> None:
    """Whatever the sender's domain, a Message-ID is as RFC 5322 has it, in ASCII."""
    atoms = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    literal = r"\[[\x21-\x5a\x5e-\x7e]*\]"
    assert re.fullmatch(rf"<{atoms}@(?:{atoms}|{literal})>", message_id("jam", "5e55", sender))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("live@example.org", "live@example.org"),
        (("Live", "live@example.org"), "live@example.org"),
        (None, ""),
        ("", ""),
    ],
)
def test_the_sender_may_be_a_pair(value: Any, expected: str) -> None:
    """MAIL_DEFAULT_SENDER may be an address or a pair of name and address, as Flask-Mail has it."""
    assert sender_of({"MAIL_DEFAULT_SENDER": value}) == expected


@pytest.mark.parametrize("event_id", ["jam", "a.b_c:d@e~f-g", "1"])
def test_the_button_leads_to_the_event(event_id: str) -> None:
    """The link is the frontend's, with the event's id as it is."""
    found = event_url("https://live.example.org", event_id)
    assert found == f"https://live.example.org/events/{event_id}"
