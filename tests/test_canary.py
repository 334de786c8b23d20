"""``flask streamend canary``: a made-up event goes the whole real way to a mail."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flask_streamend.canaries import PREFIX, Canaries
from flask_streamend.sealing import Sealer, keys_for
from flask_streamend.store.redis import RedisStore

from .apps.local import NO_REDIS
from .apps.store import Web
from .ground import Ground
from .servers import Mail, Site, eventually, free_port

STAGES = ["made", "seen", "left", "due", "claimed", "sent"]
#: Seconds that a canary has where it can't be told: on a slow machine too it gets that far in them.
WITHIN = 8
Stopped = dict[str, tuple[Site, int, str]]
SUBJECT = "Event Stream Ended - Canary of tests.apps.site"


@pytest.fixture(scope="module", autouse=True)
def _finished(ground: Ground) -> Iterator[None]:
    yield
    assert ground.redis.keys("*:canary:*") == [], "no canary's event is left"


def site_of(ground: Ground, name: str, kind: str | None = None, **config: Any) -> Site:
    """Return a site with a queue of its own, and its worker of this kind."""
    site = ground.site(app="site", STREAMEND_NAMESPACE=name, STREAMEND_QUEUE=name, **config)
    if kind is not None:
        ground.worker(site, kind, queue=name)
    return site


def fly(ground: Ground, site: Site, address: str, *args: str) -> tuple[int, dict[str, object]]:
    """Send a canary and return its exit status and what it says for tools."""
    status, printed, errors = ground.command(site.env, "canary", address, "--json", *args)
    assert printed, errors
    return status, json.loads(printed)


def mails_to(ground: Ground, address: str) -> list[Mail]:
    """Return what arrived at an address."""
    return [mail for mail in ground.mailbox.mails() if mail.message["To"] == address]


def skipped(store: RedisStore) -> list[str]:
    """Return why notices were skipped."""
    return [row.error for row in store.records(100) if row.state == "skipped"]


@pytest.mark.parametrize("kind", ["plain", "preloaded", "tuned"])
def test_with_each_worker_a_canary_is_told_once(ground: Ground, kind: str) -> None:
    """Every stage is passed in order, the mail says that it is a canary's, and nothing is left."""
    site = site_of(ground, f"canary-{kind}", kind)
    address = f"{kind}@example.org"
    status, printed, _ = ground.command(site.env, "canary", address)
    head, *lines = printed.splitlines()
    assert re.fullmatch(rf"{PREFIX}[0-9a-f]{{16}} to {kind[0]}\*\*\*@example.org", head)
    assert [line.split()[2] for line in lines] == STAGES, printed
    times = [float(line.split()[0]) for line in lines]
    assert times == sorted(times)
    assert status == 0
    (mail,) = mails_to(ground, address)
    assert mail.message["Subject"] == SUBJECT
    store = RedisStore(ground.redis, f"canary-{kind}")
    totals = store.totals(0)
    assert totals.counters["notifications|email|sent"] == 1, "it counts as any notice does"
    assert (totals.live, totals.ending, totals.deliveries["sent"]) == (0, 0, 1)


@pytest.fixture(scope="module")
def site(ground: Ground) -> Site:
    """Return a site with a worker."""
    return site_of(ground, "canaries", "tuned")


def test_a_canary_may_come_by_a_websocket(ground: Ground, site: Site) -> None:
    """With --url a real socket is opened there, counted and closed, and then as before."""
    url = f"http://127.0.0.1:{site.port}"
    status, page = fly(ground, site, "socket@example.org", "--url", url)
    assert (status, page["told"], page["stopped_at"]) == (0, True, None)
    stages = page["stages"]
    assert isinstance(stages, list)
    assert [stage["stage"] for stage in stages] == STAGES
    assert len(mails_to(ground, "socket@example.org")) == 1


def test_a_site_that_lets_nobody_in_is_named(ground: Ground, site: Site) -> None:
    """A handshake that fails stops the canary where it is, with the site's own word."""
    url = f"http://127.0.0.1:{free_port()}"
    status, page = fly(ground, site, "nobody@example.org", "--url", url)
    assert (status, page["told"], page["stopped_at"]) == (1, False, "seen")
    assert "ConnectionRefusedError" in str(page["why"])
    full = site_of(ground, "full", STREAMEND_MAX_CLIENTS=1)
    viewer = full.watch("jam")
    url = f"http://127.0.0.1:{full.port}"
    status, page = fly(ground, full, "nobody@example.org", "--url", url)
    assert (status, page["stopped_at"]) == (1, "seen")
    assert "429, limit-reached: There are 1 viewers" in str(page["why"])
    viewer.close()
    assert mails_to(ground, "nobody@example.org") == []


@pytest.fixture(scope="module")
def stopped(ground: Ground) -> Stopped:
    """Send canaries which nobody can tell, all at one time.

    :returns: for each the site, the exit status, and what was printed.
    """
    sites = {
        "idle": site_of(ground, "idle"),
        "holding": site_of(ground, "holding", "tuned"),
        "unsent": site_of(
            *(ground, "unsent", "tuned"), MAIL_PORT=free_port(), STREAMEND_RETRY_BACKOFF=0.2
        ),
    }
    assert ground.command(sites["holding"].env, "hold", "600")[0] == 0

    def send(name: str) -> tuple[Site, int, str]:
        words = (f"{name}@example.org", "--timeout", f"{WITHIN}", *(["--json"] * (name != "idle")))
        status, printed, errors = ground.command(sites[name].env, "canary", *words)
        assert printed, errors
        return sites[name], status, printed

    with ThreadPoolExecutor(len(sites)) as aside:
        return dict(zip(sites, aside.map(send, sites), strict=True))


def test_without_a_worker_it_stops_before_it_is_claimed(stopped: Stopped, ground: Ground) -> None:
    """It says so after its time-out, exits with 1, and tells nobody later."""
    site, status, printed = stopped["idle"]
    assert status == 1
    assert f"stopped at claimed: not within {WITHIN} s: no-worker: No RQ worker reads" in printed
    assert "flask streamend doctor" in printed
    store = RedisStore(ground.redis, "idle")
    assert (store.totals(0).live, store.totals(0).ending) == (0, 0)
    ground.worker(site, "tuned", queue="idle")
    eventually(lambda: not ground.redis.llen("rq:queue:idle"), "the worker looked")
    assert mails_to(ground, "idle@example.org") == []


def test_a_hold_is_named(stopped: Stopped, ground: Ground) -> None:
    """While an operator holds notices a canary is held as well, and let go of untold."""
    site, status, printed = stopped["holding"]
    page = json.loads(printed)
    assert (status, page["stopped_at"]) == (1, "claimed")
    assert "held: An operator holds all notices" in str(page["why"])
    assert ground.command(site.env, "hold", "0")[0] == 0
    store = RedisStore(ground.redis, "holding")
    assert (store.totals(0).ending, store.records(10)) == (0, [])


def test_a_mail_server_that_is_away_is_named(stopped: Stopped, ground: Ground) -> None:
    """It stops at the mail, with the error; once it gave up nobody is told any more."""
    _, status, printed = stopped["unsent"]
    page = json.loads(printed)
    assert (status, page["stopped_at"]) == (1, "sent")
    assert "did not take it: ConnectionRefusedError" in str(page["why"])
    store = RedisStore(ground.redis, "unsent")
    eventually(lambda: skipped(store) == ["no_event"], "it is let go of")


def test_what_is_skipped_is_said_at_once(ground: Ground) -> None:
    """Mail that the worker's Flask-Mail suppresses is no success."""
    site = site_of(ground, "mute", "tuned", MAIL_SUPPRESS_SEND=True)
    status, page = fly(ground, site, "mute@example.org")
    assert (status, page["stopped_at"]) == (1, "sent")
    assert str(page["why"]).startswith("skipped: mail-suppressed: ")


def test_a_worker_with_other_keys_does_not_know_the_canary(ground: Ground) -> None:
    """It can't open the seal, and does not ask its application, which would name a host."""
    site = site_of(ground, "strange")
    other = {**json.loads(site.env["SITE_CONFIG"]), "SECRET_KEY": "another"}
    env = {**site.env, "SITE_CONFIG": json.dumps(other)}
    ground.worker(site, "tuned", "strange", env)
    status, page = fly(ground, site, "strange@example.org")
    assert (status, page["stopped_at"]) == (1, "sent")
    assert "can't open the canary: see worker-keys" in str(page["why"])
    assert not [mail for mail in ground.mailbox.mails() if PREFIX in mail.message["Subject"]]


def test_who_has_no_keys_can_send_no_canary(ground: Ground, site: Site) -> None:
    """What is sealed with other keys, or not at all, is no event: nobody gets in or is told."""
    store = RedisStore(ground.redis, "canaries")
    forged = Canaries(store, Sealer(keys_for((), "another"))).make("C", "forged@example.org", 60)
    unsealed = f"{PREFIX}0123456789abcdef"
    store.put_canary(unsealed, '["canary", "forged@example.org"]', 60_000)
    ids = (forged.id, unsealed, f"{PREFIX}0000000000000000")
    assert [site.get(f"/ws/{event_id}")[0] for event_id in ids] == [404] * 3
    Web(store, "somebody").visit(*ids)
    eventually(lambda: len(skipped(store)) == 3, "each is skipped")
    assert skipped(store) == ["no_event"] * 3
    assert mails_to(ground, "forged@example.org") == []
    assert not [mail for mail in ground.mailbox.mails() if PREFIX in mail.message["Subject"]]
    for key in ground.redis.keys("*:canary:*"):
        ground.redis.delete(key)


def test_an_event_whose_name_only_begins_so_is_the_application_s(
    ground: Ground, site: Site
) -> None:
    """``canary:`` and 16 digits are reserved, and nothing else."""
    site.watch("canary:jam").close()
    assert ground.told("canary:jam").message["To"] == "host@example.org"


def test_a_canary_s_seal_is_for_its_own_id_and_time(ground: Ground) -> None:
    """A seal of another canary, of something else, or whose time is up opens nothing."""
    store, sealer = RedisStore(ground.redis, "seals"), Sealer(keys_for((), "tests"))
    canaries = Canaries(store, sealer)
    event = canaries.make("Canary", "op@example.org", 60)
    assert canaries.find(event.id) == event
    sealed = store.canary(event.id)
    assert sealed is not None
    assert "example" not in sealed
    other = f"{PREFIX}other"
    store.put_canary(other, sealed, 60_000)
    assert canaries.find(other) is None
    store.put_canary(other, sealer.seal("jam", "5e55"), 60_000)
    assert canaries.find(other) is None
    store.put_canary(other, sealer.seal("canary", other, "C", "op@example.org", "1.0"), 60_000)
    assert canaries.find(other) is None, "its time is up, whatever its key's is"
    for one in (event.id, other):
        canaries.forget(one)
    assert canaries.find(event.id) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [(NO_REDIS, "The store could not be asked: Redis: "), ("memory://", "is memory://")],
)
def test_without_a_store_it_could_not_look(ground: Ground, url: str, words: str) -> None:
    """Exit 2, and why."""
    env = {
        "SITE_CONFIG": json.dumps({"STREAMEND_REDIS_URL": url}),
        "FLASK_APP": "tests.apps.site",
    }
    status, printed, errors = ground.command(env, "canary", "op@example.org")
    assert (status, printed) == (2, "")
    assert words in errors


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("operator",), "'operator' is no e-mail address"),
        (("op@example.org", "--url", "localhost:8000"), "expected an http:// or https:// address"),
    ],
)
def test_what_is_no_address_is_a_usage_error(
    ground: Ground, site: Site, args: tuple[str, ...], words: str
) -> None:
    """Exit 2, before anything is sent."""
    status, printed, errors = ground.command(site.env, "canary", *args)
    assert (status, printed) == (2, "")
    assert words in errors
