"""docs/channels.md: its receiver verifies what is sent, its own channel tells a host."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

from flask_streamend import (
    Channel,
    Event,
    Notice,
    PermanentError,
    Preferences,
    StreamEnd,
    WebhookChannel,
)
from flask_streamend.notices.failures import reason_of
from flask_streamend.state import state_of
from flask_streamend.telemetry.names import NOTIFICATIONS

from .apps.pages import ROOT, blocks, marked
from .receivers import receiver
from .servers import PATIENCE, eventually, free_port

PAGE = ROOT / "docs" / "channels.md"
SECRET = f"whsec_{b64encode(b'k' * 32).decode()}"
NOTICE = Notice(
    event=Event("jam", "Friday\r\njam", "h1", "host@example.org"),
    session="5e55",
    due_at=1_700_000_000.25,
    url="https://live.example.org/events/jam",
    message_id="<streamend.1@example.org>",
)


def test_a_notice_has_its_words() -> None:
    """One wording for every channel; a name is one line in each, and brings no other line."""
    assert NOTICE.subject == "Event Stream Ended - Friday jam"
    assert NOTICE.title == "Event Stream Completed"
    gone = "All viewers have disconnected from the stream."
    assert NOTICE.body == f'Your event "Friday jam" stream has ended. {gone}'
    link = "View Event Dashboard: https://live.example.org/events/jam"
    assert NOTICE.text == f'Your event "Friday jam" stream has ended. {gone}\n{link}'
    stopped = replace(NOTICE, stopped=True)
    assert stopped.body.endswith('" stream has ended. The stream was stopped.')


def test_a_digest_has_the_words_of_each_end() -> None:
    """Every member is named once; the subject says how many they are."""
    gig = Event("gig", "Gig", "h1", None)
    other = replace(NOTICE, event=gig, stopped=True, url="https://g/", due_at=1_600_000_000.0)
    digest = replace(NOTICE, members=(NOTICE, other))
    assert digest.ends == (other, NOTICE)
    assert NOTICE.ends == (NOTICE,)
    assert digest.subject == "2 Event Streams Ended"
    assert digest.title == "Event Streams Completed"
    assert digest.subtitle == "Your event streams have ended"
    assert digest.body == f"{other.body}\n{NOTICE.body}"
    assert digest.text == f"{other.text}\n{NOTICE.text}"


def test_the_receiver_of_the_page_verifies_and_knows_a_repeat(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Flask and Standard Webhooks' library, as shown: a message counts once, a forged one never."""
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    names: dict[str, Any] = {"__name__": "receiver"}
    exec(compile(marked(PAGE, "file", "receiver.py").body, "receiver.py", "exec"), names)
    server = make_server("127.0.0.1", 0, names["app"], threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/hooks"
    try:
        hook = WebhookChannel(url, SECRET, allow_private=True)
        hook.send(NOTICE)
        hook.send(NOTICE)
        assert caplog.messages.count("jam has ended") == 1
        hook.send(replace(NOTICE, message_id="<streamend.2@example.org>"))
        gig = replace(NOTICE, event=Event("gig", "Gig", "h1", None), session="s2")
        digest = replace(NOTICE, members=(NOTICE, gig), message_id="<streamend.4@example.org>")
        for _ in range(2):
            hook.send(digest)
        assert caplog.messages.count("gig has ended") == 1
        forged = WebhookChannel(url, f"whsec_{b64encode(b'x' * 32).decode()}", allow_private=True)
        with pytest.raises(OSError, match="401 Unauthorized") as caught:
            forged.send(replace(NOTICE, message_id="<streamend.3@example.org>"))
        assert reason_of(caught.value) == "auth"
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()
    assert len(names["seen"]) == caplog.messages.count("jam has ended") == 3


def test_the_message_of_the_page_is_what_is_sent() -> None:
    """The page's JSON has the keys, in their order, and the kinds of values, of a real one."""
    (block,) = (block for block in blocks("json") if block.page == PAGE)
    with receiver() as server:
        WebhookChannel(server.url, SECRET, allow_private=True).send(NOTICE)
    shown, sent = json.loads(block.body), json.loads(server.requests[0].body)
    assert list(shown) == list(sent)
    assert list(shown["data"]) == list(sent["data"])
    assert list(map(type, shown["data"].values())) == list(map(type, sent["data"].values()))


@pytest.fixture
def own() -> Callable[[str], Channel]:
    """Return the page's own channel, as its class."""
    (block,) = (
        block for block in blocks("python") if block.page == PAGE and "class " in block.body
    )
    names: dict[str, Any] = {}
    exec(compile(block.body, str(block), "exec"), names)
    made: Callable[[str], Channel] = names["MattermostChannel"]
    return made


def test_a_channel_of_one_s_own_is_one_small_class(own: Callable[[str], Channel]) -> None:
    """It tells, it fails for now, it fails for good, and each has its reason."""
    with receiver(200, 500, 404) as server:
        channel = own(server.url)
        channel.send(NOTICE)
        with pytest.raises(OSError, match="answered 500"):
            channel.send(NOTICE)
        with pytest.raises(PermanentError):
            channel.send(NOTICE)
    assert json.loads(server.requests[0].body) == {"text": NOTICE.text}
    with pytest.raises(Exception) as caught:  # noqa: PT011 - urllib3's own, that has a reason here
        own(f"http://127.0.0.1:{free_port()}/").send(NOTICE)
    assert reason_of(caught.value) == "connect"


FORK = """\
import os, sys
from flask_streamend import AppriseChannel, WebhookChannel
from tests.test_channels import NOTICE, SECRET

channels = [
    WebhookChannel(f"http://localhost:{sys.argv[1]}/", SECRET, allow_private=True, timeout=30),
    AppriseChannel(f"json://localhost:{sys.argv[1]}/"),
]
for channel in channels:
    channel.send(NOTICE)
pid = os.fork()
if pid == 0:
    try:
        for channel in channels:
            channel.send(NOTICE)
    finally:
        os._exit(0)
os.waitpid(pid, 0)
"""


def test_a_fork_sends_as_its_parent_did() -> None:
    """RQ forks for each job: what a channel had ready in the parent is not waited for."""
    with receiver() as server:
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", FORK, str(server.port)],
            cwd=ROOT,
            check=True,
            timeout=120,
        )
    assert len(server.requests) == 4


@pytest.mark.parametrize("kind", ["own", "webhook"])
def test_a_host_is_told_by_another_channel(own: Callable[[str], Channel], kind: str) -> None:
    """A viewer leaves, a first attempt fails, the next one tells, with the same words."""
    with receiver(503, 200) as server:
        made = own(server.url)
        if kind == "webhook":
            made = WebhookChannel(server.url, SECRET, allow_private=True)
        wishes = Preferences(channels=(made.name,))
        app = Flask("told")
        app.config.update(STREAMEND_REDIS_URL="memory://", MAIL_DEFAULT_SENDER="live@example.org")
        app.config.update(STREAMEND_DELAY=0, STREAMEND_RETRY_BACKOFF=0.1)
        streamend = StreamEnd(app, channels=[made])
        streamend.event_loader(lambda id: Event(id, "Jam", "1", "h@example.org", None, wishes))
        assert app.test_client().get("/health/live").status_code == 200
        with app.app_context(), streamend.viewing("jam"):
            pass
        sent = NOTIFICATIONS.field(made.name, "sent")
        store = state_of(app).store
        eventually(lambda: store.totals(0).counters.get(sent) == 1, "the host is told")
    first, second = server.requests
    assert first.body == second.body
    assert b"events/jam" in second.body
    assert first.headers.get("webhook-id") == second.headers.get("webhook-id")
