"""Redis by TLS, with a user of few rights; and how far it goes on a cluster."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from redis import Redis
from redis.exceptions import ClusterCrossSlotError, NoPermissionError
from rq import Queue

from flask_streamend.errors import StoreError
from flask_streamend.store.base import Change, Kept, Outcome
from flask_streamend.store.redis import RedisStore
from flask_streamend.store.scripts import connect

from .apps.pages import ROOT, marked
from .apps.store import LEASE, Web, end, take, texts
from .ground import Ground
from .redis_servers import ClusterNode, SecureRedis
from .servers import PATIENCE, Site, eventually

RULES = marked(ROOT / "docs" / "redis.md", "file", "users.acl").body.split()


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureRedis]:
    """Return a Redis by TLS whose users are as the documentation has them."""
    server = SecureRedis(tmp_path_factory.mktemp("secure"), RULES)
    yield server
    server.process.stop()


@pytest.fixture(scope="module")
def ground(secure: SecureRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Return what is started on it, each as the user with few rights."""
    ground = Ground(tmp_path_factory.mktemp("ground"), secure.admin)
    ground.redis_url = secure.url
    yield ground
    ground.stop()


@pytest.fixture(scope="module")
def site(ground: Ground) -> Site:
    """Return a site as that user."""
    return ground.site()


@pytest.mark.parametrize("kind", ["tuned", "scheduler"])
def test_a_whole_end_by_tls_with_few_rights(ground: Ground, site: Site, kind: str) -> None:
    """With the documentation's rights a host is told, by either worker, and nothing was denied."""
    ground.redis.execute_command("ACL", "LOG", "RESET")
    worker = ground.worker(site, kind)
    site.watch(kind).close()
    assert ground.told(kind).message["To"] == "host@example.org"
    site.get(f"/guest/join/{kind}-guest/ann")
    site.get(f"/guest/seen/{kind}-guest/ben?ttl=30")
    assert ground.wait(f"{kind}-guest", "live", 2).unique_viewers == 2
    site.get(f"/over/end_event/{kind}-guest")
    ground.told(f"{kind}-guest")
    site.get(f"/guest/join/{kind}-purged/ann")
    assert site.get(f"/over/purge/{kind}-purged")[1] == "True"
    assert site.get("/health")[0] == 200
    assert site.metric("streamend_store_up") == 1
    ground.stop_process(worker)
    assert ground.redis.execute_command("ACL", "LOG") == []


def test_the_doctor_lacks_no_right_but_one(ground: Ground, site: Site) -> None:
    """The doctor works as that user, and asks beyond its rights for one thing only."""
    ground.redis.execute_command("ACL", "LOG", "RESET")
    status, said, errors = ground.command(site.env, "doctor", "--offline")
    assert status == 1, "no worker is there"
    assert "snapshots only" in said or "nothing is written" in said
    assert "Traceback" not in errors
    denied = [row[b"object"] for row in ground.redis.execute_command("ACL", "LOG")]
    assert denied == [b"config|get"]


def test_the_user_may_do_nothing_else(secure: SecureRedis) -> None:
    """Others' keys, and commands that concern the whole server, are refused."""
    with Redis.from_url(secure.url) as client:
        for command in (("GET", "others"), ("FLUSHALL",), ("KEYS", "*"), ("CONFIG", "GET", "*")):
            with pytest.raises(NoPermissionError):
                client.execute_command(*command)


@pytest.mark.parametrize("wrong", ["authority", "password", "plain"])
def test_a_wrong_way_in_is_an_outage_that_shows_no_password(
    secure: SecureRedis, wrong: str
) -> None:
    """An unknown authority, a wrong password, no TLS: Redis is away, and no secret is told."""
    password = re.findall(r":(\w+)@", secure.url)[0]
    url = {
        "authority": secure.url.partition("?")[0],
        "password": secure.url.replace(password, password[::-1] + "x"),
        "plain": secure.url.replace("rediss:", "redis:").partition("?")[0],
    }[wrong]
    client = connect(url)
    with pytest.raises(StoreError) as caught:
        RedisStore(client, "streamend").look(None)
    client.close()
    shown = f"{caught.value} {caught.value.__cause__!r}"
    assert password not in shown
    assert password[::-1] not in shown


def test_rq_info_shows_no_argument(ground: Ground, site: Site) -> None:
    """What RQ's own commands show of an alarm is neither its event nor its session."""
    site.get("/schedule/shown?delay=3600")
    key = f"rq:job:streamend-{ground.status('shown').session}"
    eventually(lambda: ground.redis.exists(key), "its alarm is set")
    rq = [sys.executable, "-m", "rq.cli", "info", "--url", ground.redis_url]
    said = subprocess.check_output(rq, text=True, env={**os.environ}, timeout=PATIENCE)
    assert "default" in said
    assert "shown" not in said
    assert ground.redis.hget(key, "description") == b"flask_streamend alarm"
    site.get("/over/purge/shown")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """Return a client of a cluster's only node."""
    node = ClusterNode(tmp_path_factory.mktemp("cluster"))
    client = Redis.from_url(node.url)
    yield client
    client.close()
    node.process.stop()


def test_an_end_s_life_is_in_one_slot(cluster: Redis) -> None:
    """On a cluster's node no act touches two slots, and every key that was made is in one."""
    eventually(
        lambda: int(cluster.info("server")["uptime_in_seconds"]) >= 5, "a new server makes all wait"
    )
    store = RedisStore(cluster, "shop:live")
    Web(store, "keeper", 5000).set("live", 1)
    Web(store, "goer", 50_000).visit("ending")
    store.guest("join", "guests", "0a1b", 60_000, "s9", 0)
    store.guest("join", "stopped", "0a1b", 60_000, "s8", 0)
    assert store.finish("stopped", Change.STOPPED)
    store.schedule("scheduled", "s7", 60_000)
    store.heartbeat("keeper", LEASE, 0)
    store.introduce("keeper", "facts", 1000)
    store.put_canary("canary:0", "sealed", 60_000)
    store.note_problem("worker-app", True)
    store.put_back("other", [Kept("put", "s6", 1000, 60_000)])
    end(store, "sent", "failed")
    for outcome in (Outcome.SENT, Outcome.FAILED, Outcome.DEAD):
        delivery = take(store, "me").id
        assert store.sending(delivery, "me", LEASE)
        assert store.settle(delivery, "me", "email", outcome, "", LEASE, "connect") >= 0
    store.reap("goer", goodbye=True)
    assert store.totals(10).live
    assert store.overview(5, 5).ending
    names = texts(cluster.keys("*"))
    slots = {cluster.execute_command("CLUSTER", "KEYSLOT", name) for name in names}
    assert len(names) >= 18, sorted(names)
    assert len(slots) == 1


def test_rq_does_not_run_on_a_cluster(cluster: Redis) -> None:
    """RQ's transactions touch several slots: that is why a cluster is not supported."""
    with pytest.raises(ClusterCrossSlotError):
        Queue("default", connection=cluster).enqueue("tests.apps.work.nothing")
