"""Hosts' wishes from a viewer's socket to their messages, with every part a real process."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from flask_streamend.store.base import Record

from .ground import Ground
from .hooks import Receiver
from .servers import Mail, Process, Site, eventually
from .smtp import END, ScriptedServer, parsed


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """Return the web server that the site's channel posts to."""
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="module")
def site(ground: Ground, receiver: Receiver) -> Site:
    """Return a site whose hosts have wishes."""
    return ground.site(
        app="wishes",
        env={"HOOK_URL": receiver.url},
        STREAMEND_RETRY_BACKOFF=0.2,
        STREAMEND_LEASE=3,
        STREAMEND_API_TOKEN="token",
    )


@pytest.fixture(scope="module")
def worker(ground: Ground, site: Site) -> Process:
    """Return a worker."""
    return ground.worker(site)


def visit(site: Site, *events: str) -> None:
    """Have a viewer come to each event, and leave it."""
    for viewer in [site.watch(event) for event in events]:
        viewer.close()


def mails_to(ground: Ground, host: str) -> list[Mail]:
    """Return what a host was mailed."""
    mails = ground.mailbox.mails()
    return [mail for mail in mails if mail.message["To"] == f"host{host}@example.org"]


def records(ground: Ground, prefix: str) -> list[Record]:
    """Return the ledger's records of events whose ids begin so."""
    totals = ground.store.totals(0)
    assert (totals.sessions_unaccounted, totals.deliveries_unaccounted) == (0, 0)
    return [row for row in ground.store.records(1000) if row.event_id.startswith(prefix)]


def states(ground: Ground, prefix: str) -> list[str]:
    """Return their states, sorted."""
    return sorted(row.state for row in records(ground, prefix))


def test_a_worker_that_is_killed_loses_no_digest(
    ground: Ground, site: Site, receiver: Receiver
) -> None:
    """Killed while ends wait for their digest, and again: another worker tells them, once."""
    first = ground.worker(site)
    events = [f"killed{number}~host-4~by-email.hook~digest-5" for number in range(3)]
    visit(site, events[0])

    def waiting(ends: int) -> Any:
        return lambda: states(ground, "killed") == ["pending"] * (2 * ends + 2)

    eventually(waiting(1), "an end that waits")
    first.signal(signal.SIGKILL)
    ground.stop_process(first)
    visit(site, *events[1:])
    second = ground.worker(site)
    eventually(lambda: mails_to(ground, "4"), "the digest")
    ground.all_told()
    told = [mail.message["Subject"] for mail in mails_to(ground, "4")]
    listed = "".join(mail.text("plain") for mail in mails_to(ground, "4"))
    assert [
        listed.count(f"The {event}\n") + listed.count(f'"The {event}"') for event in events
    ] == [1] * 3
    assert told[0] in ("3 Event Streams Ended", f"Event Stream Ended - The {events[0]}")
    ground.stop_process(second)


def test_a_worker_that_is_killed_in_the_middle_of_a_digest(ground: Ground, site: Site) -> None:
    """Killed when the server has the whole message and has not answered: it comes once more.

    With the same ends and the same Message-ID, by another worker; what ended meanwhile comes by
    itself.
    """
    server = ScriptedServer({END: ""})
    config = {**json.loads(site.env["SITE_CONFIG"]), "MAIL_PORT": server.port}
    config["STREAMEND_MAIL_TIMEOUT"] = 300
    first = ground.worker(site, env={**site.env, "SITE_CONFIG": json.dumps(config)})
    events = [f"middle{number}~host-3~digest-3" for number in range(3)]
    with ground.held():
        visit(site, *events)
        due = max(ground.wait(event, "ending").due_at or 0.0 for event in events)
        eventually(lambda: ground.store.look(None).now > due * 1000, "all of them are due")
    eventually(lambda: server.raw, "the digest came to its end")
    first.signal(signal.SIGKILL)
    ground.stop_process(first)
    server.stop()
    assert states(ground, "middle") == ["digested"] * 3 + ["sending"]
    after = "middle3~host-3~digest-3"
    visit(site, after)
    second = ground.worker(site)
    (digest,) = [row.id for row in records(ground, "middle") if row.state == "sending"]
    # Its lease lapses now, and not in five minutes.
    assert ground.redis.zadd(ground.store.keys.open, {digest: 1}, xx=True, ch=True) == 1
    eventually(lambda: len(mails_to(ground, "3")) == 2, "the digest, and what ended since")
    ground.all_told()
    by_subject = {mail.message["Subject"]: mail for mail in mails_to(ground, "3")}
    again = by_subject.pop("3 Event Streams Ended")
    assert list(by_subject) == [f"Event Stream Ended - The {after}"]
    (held,) = map(parsed, server.raw)
    assert held["Message-ID"] == again.message["Message-ID"]
    for message in (held, again.message):
        lines = Mail(message, 0.0).text().splitlines()
        assert [lines.count(f"The {event}") for event in (*events, after)] == [1, 1, 1, 0]
    assert states(ground, "middle") == ["digested"] * 4 + ["sent"] * 2
    assert ground.counter("notifications|email|repeated") == 1
    ground.stop_process(second)


@pytest.mark.usefixtures("worker")
def test_two_channels_of_which_one_fails_for_a_while(
    ground: Ground, site: Site, receiver: Receiver
) -> None:
    """The mail comes once and at once; the post comes once, when its server takes it."""
    event = "two~host-2~by-hook.email"
    receiver.status = 503
    visit(site, event)
    eventually(lambda: ground.mails(event), "the mail")
    eventually(lambda: len(receiver.tries) >= 3, "three tries of the other channel")
    receiver.status = 200
    ground.all_told()
    (mail,), (post,) = ground.mails(event), receiver.about(event)
    assert mail.message["Message-ID"] == post["id"]
    assert mail.message["To"] == "host2@example.org"
    assert states(ground, event) == ["sent", "sent"]
    assert site.metric("streamend_deliveries_unaccounted") == 0
    sent = 'streamend_notifications_total{{channel="{}",status="sent"}}'
    assert [site.metric(sent.format(name)) for name in ("email", "hook")] == [
        ground.counter(f"notifications|{name}|sent") for name in ("email", "hook")
    ]


@pytest.mark.usefixtures("worker")
def test_five_ends_are_one_mail(ground: Ground, site: Site) -> None:
    """Five ends of a host within its while are one mail that lists them all."""
    events = [f"five{number}~host-5~digest-4" for number in range(5)]
    visit(site, *events)
    eventually(lambda: mails_to(ground, "5"), "the digest")
    ground.all_told()
    (mail,) = mails_to(ground, "5")
    assert mail.message["Subject"] == "5 Event Streams Ended"
    for event in events:
        assert mail.text("plain").count(f"The {event}\n") == 1
        assert mail.text("html").count(f'href="https://live.example.org/events/{event}"') == 1
    assert states(ground, "five") == ["digested"] * 5 + ["sent"]
    digested = site.metric('streamend_deliveries{state="digested"}')
    assert digested is not None
    assert digested >= 5


@pytest.mark.usefixtures("worker")
def test_a_digest_outlives_a_redis_that_was_emptied(ground: Ground, site: Site) -> None:
    """Ends that wait in a digest are put back by the process that saw them, and told once."""
    events = [f"empty{number}~host-6~digest-12" for number in range(2)]
    visit(site, *events)
    eventually(lambda: states(ground, "empty") == ["pending"] * 3, "two ends that wait")
    ground.redis.flushdb()
    eventually(lambda: mails_to(ground, "6"), "the digest")
    ground.all_told()
    (mail,) = mails_to(ground, "6")
    assert mail.message["Subject"] == "2 Event Streams Ended"


@pytest.mark.usefixtures("worker")
def test_muted_delayed_and_an_unknown_channel(ground: Ground, site: Site) -> None:
    """One host is told nothing, one later, and one by the channel that there is."""
    muted, late, fax = "quiet~host-7~muted", "late~host-8~delay-2", "fax~host-9~by-fax.email"
    before = ground.counter("skips|muted")
    visit(site, muted, fax)
    viewer = site.watch(late)
    status = ground.wait(late, "live", 1)
    viewer.close()
    ending = ground.wait(late, "ending")
    assert ending.due_at is not None
    assert status.started_at is not None
    assert ending.due_at - status.started_at >= 2
    told = ground.told(late)
    assert told.at >= ending.due_at
    ground.told(fax)
    assert mails_to(ground, "7") == []
    assert states(ground, muted) == ["skipped"]
    assert ground.counter("skips|muted") == before + 1
    assert states(ground, fax) == ["dead", "sent"]
    code, out, _ = ground.command(site.env, "deliveries", "--dead")
    assert code == 0
    assert "no channel is named 'fax': expected one of email, hook" in out


@pytest.mark.usefixtures("worker")
def test_nothing_in_redis_shows_whose_digest_it_is(ground: Ground, site: Site) -> None:
    """No key, field or value has the host's id, its address or the events' names."""
    visit(site, "veiled~digest-6")
    eventually(lambda: states(ground, "veiled") == ["pending"] * 2, "an end that waits")
    keys = ground.store.keys
    digests: Any = ground.redis.hgetall(keys.digests)
    records: Any = ground.redis.hvals(keys.ledger)
    ((whose, digest),) = digests.items()
    held = b" ".join([whose, digest, *records])
    assert b"host1@" not in held
    assert b"The veiled" not in held
    assert b'"1"' not in held
    assert not whose.startswith(b"1|")
    ground.all_told()
    assert ground.redis.hgetall(keys.digests) == {}
