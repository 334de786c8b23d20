"""The built-in channels from a viewer's socket to a real receiver, across a worker's death."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest
from standardwebhooks import Webhook

from .apps.wishes import SECRET
from .chaos.stage import family
from .ground import Ground
from .receivers import Receiver, receiver
from .servers import Site, eventually


@pytest.fixture(scope="module")
def posted() -> Iterator[Receiver]:
    """Return what takes the posts of both channels."""
    with receiver() as server:
        yield server


@pytest.fixture(scope="module")
def site(ground: Ground, posted: Receiver) -> Site:
    """Return a site whose hosts may be told by them."""
    env = {"HOOK_URL": posted.url, "POST_URL": posted.url}
    return ground.site(app="wishes", env=env)


@pytest.mark.parametrize(("channel", "kind"), [("webhook", "plain"), ("apprise", "tuned")])
def test_a_worker_that_dies_while_it_tells(
    ground: Ground, site: Site, posted: Receiver, channel: str, kind: str
) -> None:
    """Killed before the receiver answered: another tells it again, the same; the mail once."""
    posted.requests.clear()
    posted.answers.clear()
    repeated = f"notifications|{channel}|repeated"
    before = ground.counter(repeated)
    event = f"killed~by-email.{channel}"
    first = ground.worker(site, kind)
    site.watch(event).close()
    eventually(lambda: posted.requests, lambda: f"the first try: {first.output()}")
    for pid in family(first.popen.pid):  # RQ's fork is in a group of its own
        os.kill(pid, signal.SIGKILL)
    ground.stop_process(first)
    posted.answers.set()
    (cut,) = (row.id for row in ground.store.records(100) if row.state == "sending")
    # Its lease is over.
    ground.redis.zadd(ground.store.keys.open, {cut: 0})
    second = ground.worker(site, kind)
    eventually(lambda: len(posted.requests) > 1, lambda: f"the second try: {second.output()}")
    assert ground.told(event).message["To"] == "host1@example.org"
    ground.stop_process(second)
    told, again = posted.requests
    assert told.body == again.body
    if channel == "webhook":
        assert told.headers["webhook-id"] == again.headers["webhook-id"]
        assert Webhook(SECRET).verify(again.body, again.headers)["data"]["event_id"] == event
    else:
        assert event in json.loads(again.body)["message"]
    rows = [row for row in ground.store.records(100) if row.event_id == event]
    assert sorted((row.channel, row.state, row.attempts) for row in rows) == sorted(
        [("email", "sent", 1), (channel, "sent", 2)]
    )
    assert ground.counter(repeated) == before + 1
