"""From a viewer's socket to the host's mail, with every part a real process."""

from __future__ import annotations

import json
import re

import pytest
from redis import Redis
from simple_websocket import ConnectionError as HandshakeError

from flask_streamend.store.redis import RedisStore
from flask_streamend.store.scripts import text

from .conftest import StartSite, StartWorker
from .ground import HELD
from .servers import Mailbox, Site, eventually

TEXT = """\
Event Stream Completed
Your event stream has ended

Your event "The jam" stream has ended. All viewers have disconnected from the stream.

View Event Dashboard: https://live.example.org/events/jam
"""


def clients(site: Site, event_id: str) -> float | None:
    """Return an event's viewers as the metrics page has them."""
    return site.metric(f'streamend_event_clients{{event_id="{event_id}"}}')


def ending(redis: Redis, event_id: str) -> float:
    """Wait until an event is ending, and return when it is due; nobody may be there to end it."""

    def due() -> float | None:
        return RedisStore(redis, "streamend").status([event_id])[0].due_at

    found = eventually(due, f"{event_id} is ending")
    assert found is not None
    return found


def due_of(redis: Redis, event_id: str) -> float:
    """Return when an event that has ended was due."""
    records = RedisStore(redis, "streamend").records(10)
    (due,) = [record.due_at for record in records if record.event_id == event_id]
    return due


def test_three_viewers_leave_and_the_host_is_told_once(
    start_site: StartSite, start_worker: StartWorker, mailbox: Mailbox, redis: Redis
) -> None:
    """Three viewers come and leave: one mail, in the exact words, not before its due instant."""
    site = start_site()
    worker = start_worker(site, "--with-scheduler")
    viewers = [site.watch("jam") for _ in range(3)]
    eventually(lambda: clients(site, "jam") == 3, "three viewers on the metrics page")
    assert site.metric("streamend_clients") == 3
    for viewer in viewers:
        viewer.close()
    (mail,) = mailbox.wait(1)
    assert mail.at >= due_of(redis, "jam")
    assert mail.message["Subject"] == "Event Stream Ended - The jam"
    assert mail.message["To"] == "host@example.org"
    assert mail.message["From"] == "live@example.org"
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert re.fullmatch(r"<streamend\.[0-9a-f]{32}@example\.org>", mail.message["Message-ID"])
    assert mail.text("plain") == TEXT
    html = mail.text("html")
    for words in TEXT.replace('"', "&#34;").split("\n"):
        assert words.removeprefix("View Event Dashboard: ") in html
    assert '<a href="https://live.example.org/events/jam"' in html
    assert ">View Event Dashboard</a>" in html

    eventually(
        lambda: site.metric('streamend_notifications_total{channel="email",status="sent"}') == 1,
        "the notice is counted",
    )
    assert clients(site, "jam") is None
    assert site.metric('streamend_notification_latency_seconds_count{channel="email"}') == 1
    site.process.wait_for("Scheduled event end notification for event jam in 1 seconds")
    worker.wait_for("Event end notification scheduled for host h***@example.org for event jam")
    assert len(mailbox.mails()) == 1


def test_a_finished_end_leaves_no_key_but_its_record(
    start_site: StartSite, start_worker: StartWorker, mailbox: Mailbox, redis: Redis
) -> None:
    """After the notice no job and no event is left in Redis, and no address or name was there."""
    site = start_site()
    site.watch("jam").close()
    ending(redis, "jam")
    # One more looks after the process, should it die.
    jobs = eventually(lambda: redis.keys("rq:job:*")[1:] and redis.keys("rq:job:*"), "it is set")
    for job in jobs:
        for value in redis.hgetall(job).values():
            assert b"jam" not in value
    start_worker(site, "--with-scheduler")
    mailbox.wait(1)

    eventually(lambda: not redis.keys("rq:job:*"), "the job is gone")
    eventually(lambda: not redis.keys("rq:executions:*"), "the job's executions are gone")
    for registry in ("scheduled", "finished", "failed", "wip"):
        assert redis.zcard(f"rq:{registry}:default") == 0
    names = {text(key).rpartition(":")[2] for key in redis.keys("streamend:*")}
    assert {"clients", "sessions", "due", "open", "owed"}.isdisjoint(names)
    store = RedisStore(redis, "streamend")
    (record,) = [json.loads(value) for value in redis.hvals(store.keys.ledger)]
    assert record["state"] == "sent"
    assert record["attempts"] == 1
    everything = b"".join(redis.dump(key) or b"" for key in redis.keys("*"))
    assert b"host@example.org" not in everything
    assert b"The jam" not in everything


def test_a_return_within_the_grace_cancels(
    start_site: StartSite, start_worker: StartWorker, mailbox: Mailbox, redis: Redis
) -> None:
    """A viewer who comes back in time cancels the end; the mail counts from the last leave."""
    site = start_site(STREAMEND_DELAY=2)
    start_worker(site, "--with-scheduler")
    store = RedisStore(redis, "streamend")
    store.hold(HELD)
    site.watch("jam").close()
    first = ending(redis, "jam")
    session = store.status(["jam"])[0].session
    back = site.watch("jam")
    eventually(lambda: store.status(["jam"])[0].state == "live", "the event is live again")
    assert store.status(["jam"])[0].session == session
    store.hold(0)
    eventually(lambda: store.look(None).now / 1000 > first + 1.5, "the first due time is past")
    assert mailbox.mails() == []

    back.close()
    (mail,) = mailbox.wait(1)
    assert mail.at >= due_of(redis, "jam") > first


def test_a_second_session_is_told_too(
    start_site: StartSite, start_worker: StartWorker, mailbox: Mailbox, redis: Redis
) -> None:
    """A second session of an event gives a second mail with another Message-ID."""
    site = start_site()
    start_worker(site, "--with-scheduler")
    for count in (1, 2):
        site.watch("jam").close()
        mailbox.wait(count)
    first, second = mailbox.mails()
    assert first.message["Message-ID"] != second.message["Message-ID"]


def test_an_unknown_event_is_refused(start_site: StartSite) -> None:
    """An event the loader does not know is refused before the handshake, with the reason."""
    site = start_site()
    with pytest.raises(HandshakeError):
        site.watch("unknown-1")
    status, body = site.get("/ws/unknown-1")
    assert status == 404
    assert json.loads(body)["error"] == "no-such-event"
    status, body = site.get("/ws/not%20an%20id")
    assert status == 400
    assert json.loads(body)["error"] == "bad-event-id"
    assert site.get("/ws/jam")[0] == 426


def test_an_end_without_a_loader_warns_and_skips(
    start_site: StartSite, start_worker: StartWorker, mailbox: Mailbox
) -> None:
    """With no event loader viewers are counted, and an end is skipped with a warning."""
    site = start_site(env={"SITE_LOADER": "no"})
    worker = start_worker(site, "--with-scheduler")
    viewer = site.watch("jam")
    eventually(lambda: clients(site, "jam") == 1, "the viewer is counted")
    viewer.close()
    worker.wait_for("Event jam ended and its host is not told: no event loader is set")
    eventually(
        lambda: site.metric('streamend_notifications_total{channel="email",status="skipped"}'),
        "the skip is counted",
    )
    assert mailbox.mails() == []


def test_health_names_what_is_missing(start_site: StartSite, start_worker: StartWorker) -> None:
    """Without a worker the health page is degraded and says so; with one it is ok."""
    site = start_site()
    status, body = site.get("/health")
    page = json.loads(body)
    assert (status, page["status"]) == (503, "degraded")
    assert [problem["code"] for problem in page["problems"]] == ["no-worker"]
    start_worker(site)
    status, body = site.get("/health")
    page = json.loads(body)
    assert (status, page["status"], page["problems"]) == (200, "ok", [])
    assert page["queue"] == {"name": "default", "length": 0, "scheduled": 0, "workers": 1}
