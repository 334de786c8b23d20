"""What an operator does from a shell: status, end, purge, and what each exits with."""

from __future__ import annotations

import json

import pytest
from simple_websocket import ConnectionClosed

from flask_streamend.store.base import Change, Outcome
from flask_streamend.store.redis import RedisStore

from .apps.local import NO_REDIS
from .apps.store import LEASE, Web, end, pooled, take
from .ground import Ground
from .servers import PATIENCE, Site, eventually


@pytest.fixture(scope="module")
def site(ground: Ground) -> Site:
    """Return a site whose commands are run."""
    site = ground.site(STREAMEND_DELAY=600)
    ground.worker(site)
    return site


def run(ground: Ground, site: Site, *words: str) -> tuple[int, str]:
    """Run a command and return its exit status and what it printed."""
    status, printed, _ = ground.command(site.env, *words)
    return status, printed


def test_status_shows_all_the_busiest_first(site: Site, ground: Ground) -> None:
    """All that is live or ending, in columns, busiest first; one event by name."""
    web = Web(ground.store, "shell", 600_000)
    web.send({"quiet": 1, "busy": 12, "over": 1})
    web.set("over", 0)
    status, printed = run(ground, site, "status")
    head, *rows = [line.split() for line in printed.splitlines()]
    assert status == 0
    assert head == ["event", "state", "viewers", "peak"]
    assert rows == [
        ["busy", "live", "12", "12"],
        ["quiet", "live", "1", "1"],
        ["over", "ending", "0", "1"],
    ]
    assert len({len(line) for line in printed.splitlines()}) == 1, "the columns line up"
    status, printed = run(ground, site, "status", "busy")
    assert (status, printed.split()[4:]) == (0, ["busy", "live", "12", "12"])
    ground.store.reap("shell", goodbye=True)
    for event in ("quiet", "busy", "over"):
        ground.store.finish(event, Change.PURGED)


def test_status_as_json_is_the_api_s(site: Site, ground: Ground) -> None:
    """For tools: a list with each event's status, all of its fields, also of an idle one."""
    viewer = site.watch("jam")
    expected = ground.wait("jam", "live", 1).to_dict()
    status, printed = run(ground, site, "status", "--json")
    assert (status, json.loads(printed)) == (0, [expected])
    status, printed = run(ground, site, "status", "nobody", "--json")
    (idle,) = json.loads(printed)
    assert (status, idle["event_id"], idle["state"], idle["clients"]) == (0, "nobody", "idle", 0)
    ground.store.finish("jam", Change.PURGED)
    viewer.close()


def test_status_shows_each_process_s_share(site: Site, ground: Ground) -> None:
    """A row for each web process, with its viewers and its room; for tools as JSON."""
    viewers = [site.watch("share") for _ in range(3)]
    ground.wait("share", "live", 3)

    def shares() -> list[dict[str, object]]:
        rows: list[dict[str, object]] = json.loads(
            run(ground, site, "status", "--processes", "--json")[1]
        )
        return rows if all(row["server"] for row in rows) else []

    (row,) = eventually(shares, "the process said what it is")
    assert (row["server"], row["clients"], row["room"]) == ("gunicorn gevent", 3, 1000)
    status, printed = run(ground, site, "status", "--processes")
    head, line = printed.splitlines()
    assert (status, head.split()) == (0, ["process", "server", "viewers", "room"])
    assert line.split() == [row["process"], "gunicorn", "gevent", "3", "1,000"]
    ground.store.finish("share", Change.PURGED)
    for viewer in viewers:
        viewer.close()


def test_end_stops_a_stream(site: Site, ground: Ground) -> None:
    """The command ends an event with its viewers there: sockets are closed, the host is told."""
    viewer = site.watch("stop")
    ground.wait("stop", "live", 1)
    assert run(ground, site, "end", "stop") == (0, "stop: ended; its host is told\n")
    with pytest.raises(ConnectionClosed) as caught:
        viewer.receive(PATIENCE)
    assert caught.value.reason == 4000
    assert "The stream was stopped." in ground.told("stop").text()
    assert run(ground, site, "end", "stop") == (1, "stop: no session\n")


def test_purge_tells_nobody(site: Site, ground: Ground) -> None:
    """The command removes what a dead process left; nobody is told."""
    Web(ground.store, "dead").set("left", 3)
    assert run(ground, site, "purge", "left") == (0, "left: purged; nobody is told\n")
    assert ground.status("left").state == "idle"
    assert "left" not in {row.event_id for row in ground.store.records(100)}
    assert run(ground, site, "purge", "left") == (1, "left: no session\n")


def test_dead_letters_are_read_taken_up_and_let_go(ground: Ground, redis_url: str) -> None:
    """A row each, whatever the mail server said; one that is none is said to be none."""
    config = json.dumps({"STREAMEND_REDIS_URL": redis_url, "STREAMEND_NAMESPACE": "shell"})
    env = {"FLASK_APP": "tests.apps.site", "SITE_CONFIG": config}
    client = pooled(redis_url)
    store = RedisStore(client, "shell")

    def give_up(event: str) -> str:
        end(store, event)
        delivery = take(store, "me").id
        assert store.sending(delivery, "me", LEASE)
        error = "550-no such\n550 \x1b[2Jbody"
        assert store.settle(delivery, "me", "email", Outcome.DEAD, error, 0) >= 0
        return delivery

    first, second = give_up("first"), give_up("a-second-one-with-a-name-as-long-as-this")
    status, printed, _ = ground.command(env, "deliveries", "--dead")
    assert status == 0
    head, *lines = printed.splitlines()
    assert [line.split()[0] for line in lines] == [second, first]
    assert [line.index(" dead ") for line in lines] == [head.index(" state ")] * 2
    assert printed.count("550-no such 550 ?[2Jbody") == 2
    assert ground.command(env, "dismiss", first)[:2] == (0, f"{first}: let go\n")
    assert ground.command(env, "dismiss", first)[:2] == (1, f"{first}: no dead letter\n")
    all_of_them = ground.command(env, "retry", "--all")
    assert all_of_them[:2] == (0, "1 of 1 dead letters taken up once more\n")
    assert ground.command(env, "retry", second)[:2] == (1, f"{second}: no dead letter\n")
    client.close()


def test_a_bad_event_id_is_a_usage_error(site: Site, ground: Ground) -> None:
    """What can't be an event id exits with 2, and says why."""
    status, printed, errors = ground.command(site.env, "end", "not an id")
    assert (status, printed) == (2, "")
    assert "is no event id" in errors


@pytest.mark.parametrize("words", [("status",), ("end", "jam"), ("worker",)])
def test_without_redis_a_command_says_so(ground: Ground, words: tuple[str, ...]) -> None:
    """Where the store does not answer a command exits with 2 and no traceback."""
    config = json.dumps({"STREAMEND_REDIS_URL": NO_REDIS})
    env = {"SITE_CONFIG": config, "FLASK_APP": "tests.apps.site"}
    status, printed, errors = ground.command(env, *words)
    assert (status, printed) == (2, "")
    assert "The store could not be asked: Redis: " in errors
    assert "Traceback" not in errors


def test_a_burst_works_until_nothing_is_left(site: Site, ground: Ground) -> None:
    """``flask streamend worker --burst`` tells what is due and ends."""
    queue = "burst"
    config = {**json.loads(site.env["SITE_CONFIG"]), "STREAMEND_QUEUE": queue}
    config["STREAMEND_NAMESPACE"] = queue
    env = {**site.env, "SITE_CONFIG": json.dumps(config)}
    other = ground.site(STREAMEND_QUEUE=queue, STREAMEND_NAMESPACE=queue)
    other.get("/schedule/burst?delay=0")
    eventually(lambda: ground.redis.llen(f"rq:queue:{queue}"), "the alarm rang")
    assert ground.command(env, "worker", "--burst")[0] == 0
    assert len(ground.mails("burst")) == 1
    assert not ground.redis.llen(f"rq:queue:{queue}")
