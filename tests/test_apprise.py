"""The channel over Apprise: what it sends, what it says of a failure, what it keeps to itself."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import replace
from typing import Any

import apprise
import pytest

from flask_streamend import AppriseChannel, ConfigurationError, Event, Notice
from flask_streamend.notices.apprise import HANGING
from flask_streamend.notices.failures import reason_of

from .receivers import hostile, receiver, wait

NOTICE = Notice(
    event=Event("jam", "The secret <b>jam</b>", "h1", "host@example.org"),
    session="5e55",
    due_at=1_700_000_000.25,
    url="https://live.example.org/events/jam",
    message_id="<streamend.1@example.org>",
)


def address(url: str) -> str:
    """Return a server's URL as Apprise wants it, with a name and a password."""
    return url.replace("http://", "json://user:password@")


def test_title_and_text_arrive() -> None:
    """One request with the notice's title, and its words and link as plain text."""
    with receiver() as server:
        AppriseChannel(address(server.url)).send(NOTICE)
    (request,) = server.requests
    body = json.loads(request.body)
    assert body["title"] == "Event Stream Completed"
    assert body["message"].splitlines() == [
        'Your event "The secret <b>jam</b>" stream has ended.'
        " All viewers have disconnected from the stream.",
        "View Event Dashboard: https://live.example.org/events/jam",
    ]


def test_markup_in_a_name_is_escaped_where_a_service_takes_html() -> None:
    """A name is shown as it is written."""
    with receiver() as server:
        AppriseChannel(f"{address(server.url)}?format=html").send(NOTICE)
    message = json.loads(server.requests[0].body)["message"]
    assert "<b>" not in message
    assert "&lt;b&gt;jam" in message


def test_a_digest_lists_its_ends() -> None:
    """Every member has its line and its link."""
    gig = Event("gig", "Gig", "h1", None)
    other = replace(NOTICE, event=gig, stopped=True, url="https://g/", due_at=1_800_000_000.0)
    with receiver() as server:
        AppriseChannel(address(server.url)).send(replace(NOTICE, members=(NOTICE, other)))
    lines = json.loads(server.requests[0].body)["message"].splitlines()
    assert len(lines) == 4
    assert lines[2:] == [
        'Your event "Gig" stream has ended. The stream was stopped.',
        "View Event Dashboard: https://g/",
    ]


def test_what_a_service_does_not_take_is_tried_again() -> None:
    """Apprise's False is a failure; it names the service, and not its address."""
    with receiver(500) as server:
        channel = AppriseChannel(address(server.url))
        with pytest.raises(OSError, match="not taken by JSON") as caught:
            channel.send(NOTICE)
        assert reason_of(caught.value) == "other"
        assert "password" not in str(caught.value)
        channel.send(NOTICE)
    assert len(server.requests) == 2


def test_a_redirect_is_not_followed() -> None:
    """A service that points elsewhere has not taken it."""
    with receiver() as other, receiver(307, headers={"Location": other.url}) as server:
        channel = AppriseChannel(address(server.url))
        with pytest.raises(OSError, match="not taken"):
            channel.send(NOTICE)
    assert other.requests == []


def test_one_of_several_that_fails_fails_the_attempt() -> None:
    """Each URL of a channel must have taken it."""
    with receiver() as one, receiver(500) as two:
        channel = AppriseChannel([address(one.url), address(two.url)])
        with pytest.raises(OSError, match="not taken by JSON"):
            channel.send(NOTICE)
    assert len(one.requests) == len(two.requests) == 1


def test_a_service_that_never_answers_is_a_time_out() -> None:
    """However long the URL says to wait, the channel waits no longer than its own time-out."""
    with hostile(wait) as server:
        channel = AppriseChannel(f"{address(server.url)}?rto=20", timeout=0.3)
        with pytest.raises(TimeoutError) as caught:
            channel.send(NOTICE)
    assert reason_of(caught.value) == "timeout"


def test_a_service_that_hangs_holds_up_no_other() -> None:
    """However many of its calls hang, another channel's are made."""
    with hostile(wait) as server, receiver() as other:
        hangs = AppriseChannel(f"{address(server.url)}?rto=20", timeout=0.1)
        for _ in range(HANGING):
            with pytest.raises(TimeoutError, match="took longer"):
                hangs.send(NOTICE)
        with pytest.raises(TimeoutError, match="earlier calls are not over yet"):
            hangs.send(NOTICE)
        AppriseChannel(address(other.url), name="other").send(NOTICE)
    assert len(other.requests) == 1


def test_nothing_of_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """At the finest level neither Apprise nor what it sends by writes down name or address."""
    caplog.set_level(1)
    caplog.set_level(1, "apprise")
    with receiver(500, 204) as server:
        channel = AppriseChannel(address(server.url))
        with pytest.raises(OSError, match="not taken"):
            channel.send(NOTICE)
        channel.send(NOTICE)
    assert caplog.records == []


def test_what_the_application_does_with_apprise_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Only the channel's own doings are kept quiet."""
    caplog.set_level(logging.INFO, "apprise")
    with receiver() as server:
        AppriseChannel(address(server.url)).send(NOTICE)
        assert caplog.records == []
        apprise.Apprise([address(server.url)]).notify("hello")
    assert "Sent JSON POST notification." in caplog.messages


@pytest.mark.parametrize("url", ["", "nonsense", "nobody://hidden/hooks", "json://", 7, None])
def test_a_url_that_apprise_does_not_know_is_said_where_it_is_made(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The error says so and does not show it; nor does a log."""
    with pytest.raises(ConfigurationError, match="Apprise knows no such URL") as caught:
        AppriseChannel([url])
    assert "hidden" not in str(caught.value)
    assert caplog.records == []


def test_no_url_a_bad_name_a_bad_time_out() -> None:
    """Each is an error that says what was expected."""
    no_url: tuple[Any, ...] = ([], None)
    for none in no_url:
        with pytest.raises(ConfigurationError, match="has no URL"):
            AppriseChannel(none)
    with pytest.raises(ConfigurationError, match="Apprise knows no such URL"):
        AppriseChannel(7)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="1 to 32 of"):
        AppriseChannel("json://localhost/", name="Über")
    with pytest.raises(ConfigurationError, match=r"0\.1 to 30"):
        AppriseChannel("json://localhost/", timeout=60)


def test_without_apprise_the_error_names_the_extra() -> None:
    """Where the extra is not installed, making the channel says what to install."""
    program = (
        "import sys\nsys.modules['apprise'] = None\n"
        "from flask_streamend import AppriseChannel, ConfigurationError\n"
        "try:\n    AppriseChannel('json://localhost/')\n"
        "except ConfigurationError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True, timeout=60
    )
    assert "pip install 'flask-streamend[channels]'" in done.stdout
