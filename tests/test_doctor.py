"""``flask streamend doctor``: each thing that is set up wrong is found, with its cure."""

from __future__ import annotations

import ast
import http.client
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any, ClassVar

import pytest
from flask import Flask

import flask_streamend
from flask_streamend import StreamEnd
from flask_streamend.doctor.examine import examine
from flask_streamend.doctor.findings import Case, Finding
from flask_streamend.doctor.frontend import frontend
from flask_streamend.facts import Facts
from flask_streamend.problems import CURES
from flask_streamend.store.base import Outcome
from flask_streamend.store.redis import RedisStore

from .apps.local import NO_REDIS, make_app, state
from .apps.store import LEASE, Web, end, take
from .certificates import certificate
from .ground import Ground
from .servers import PATIENCE, Process, Site, eventually, free_port
from .smtp import Inbox, ScriptedServer, Server

HOUR = 3_600_000


@pytest.fixture(scope="module")
def site(ground: Ground) -> Site:
    """Return a site that has said what it is."""
    site = ground.site()
    known(ground)
    return site


@pytest.fixture(scope="module")
def worker(ground: Ground, site: Site) -> Process:
    """Return that site's worker."""
    return ground.worker(site)


def known(ground: Ground, namespace: str = "streamend", count: int = 1) -> None:
    """Wait until so many web processes of a namespace have said what they are."""
    store = RedisStore(ground.redis, namespace)

    def all_said() -> bool:
        web = [one for one in store.introduced() if not one.worker]
        return len(web) == count and all(one.facts for one in web)

    eventually(all_said, f"{count} processes are known")


def changed(site: Site, **config: Any) -> dict[str, str]:
    """Return a site's environment with other settings."""
    settings = {**json.loads(site.env["SITE_CONFIG"]), **config}
    return {**site.env, "SITE_CONFIG": json.dumps(settings)}


def asked(ground: Ground, env: dict[str, str], *args: str) -> tuple[int, dict[str, Finding]]:
    """Return the doctor's exit status, and what was found by its code or check."""
    status, printed, errors = ground.command(env, "doctor", "--json", *(args or ("--offline",)))
    assert printed, errors
    return status, {row["check"]: Finding(**row) for row in json.loads(printed)["findings"]}


def here(app: Flask, **options: Any) -> dict[str, Finding]:
    """Return what is found of an application made in this process."""
    with app.app_context():
        verdict = examine(Case(app, state(app), fetch=False, **options))
    return {finding.check: finding for finding in verdict.findings}


def check(finding: Finding, level: str, *words: str) -> None:
    """Check how bad a finding is, and that it says these words or its cure does."""
    assert finding.level == level
    assert finding.cure, "a cure is named"
    for word in words:
        assert word in f"{finding.found} {finding.cure}"


# All is well.


@pytest.fixture(scope="module")
def _all_workers(ground: Ground, site: Site, worker: Process) -> None:
    for kind in ("plain", "preloaded"):
        ground.worker(site, kind)
    known_workers = ("flask streamend worker", "rq worker -w flask_streamend.Worker")
    eventually(
        lambda: set(known_workers) <= {facts.server for facts in workers_of(ground)},
        "the workers that load the application at their start have said what they are",
    )


def workers_of(ground: Ground, namespace: str = "streamend") -> list[Facts]:
    """Return what workers said of themselves."""
    said = RedisStore(ground.redis, namespace).introduced()
    facts = [Facts.unpack(one.facts) for one in said if one.worker]
    return [one for one in facts if one is not None]


@pytest.mark.usefixtures("_all_workers")
def test_where_all_is_well_it_says_so(ground: Ground, site: Site) -> None:
    """With each of the three workers, and a proxy that passes viewers: no problem, exit 0."""
    url = f"http://127.0.0.1:{site.port}"
    status, printed, _ = ground.command(site.env, "doctor", "--url", url)
    lines = printed.splitlines()
    assert not [line for line in lines if line.startswith("!!")], printed
    assert (status, lines[-1]) == (0, "no problems, 1 warning"), printed
    for words in (
        *("ok web ", "gunicorn gevent: 0 viewers, room for 1,000", "ok policy noeviction"),
        *("ok queue default: ", " flask streamend worker", " rq worker -w flask_streamend.Worker"),
        *("ok mail 127.0.0.1:", " greeted in ", f"ok viewers-way {url} passes WebSockets"),
    ):
        assert words in printed


@pytest.mark.usefixtures("worker")
def test_a_plain_rq_worker_is_known_once_it_loaded_the_application(ground: Ground) -> None:
    """It says what it is with the first notice it is asked to send."""
    site = ground.site(STREAMEND_QUEUE="plain", STREAMEND_NAMESPACE="plain")
    ground.worker(site, "plain", queue="plain")
    found = asked(ground, site.env)[1]["worker"]
    assert "its application is known with its first notice" in found.found
    viewer = site.watch("plain-jam")
    eventually(lambda: RedisStore(ground.redis, "plain").totals(0).live, "somebody watches")
    viewer.close()
    ground.told("plain-jam")
    (facts,) = eventually(lambda: workers_of(ground, "plain"), "it said what it is")
    assert (facts.server, facts.queues, facts.keys) == (
        *("rq worker", ("plain",)),
        workers_of(ground)[0].keys,
    )


def test_json_is_for_tools(ground: Ground, site: Site, worker: Process) -> None:
    """Status, counts, findings with their four fields; with --settings every setting, masked."""
    env = changed(site, STREAMEND_API_TOKEN="open-sesame")
    status, printed, _ = ground.command(env, "doctor", "--json", "--settings", "--offline")
    page = json.loads(printed)
    assert set(page) == {"status", "problems", "warnings", "findings", "settings"}
    assert (status, page["status"], page["problems"]) == (0, "ok", 0)
    for row in page["findings"]:
        assert set(row) == {"check", "level", "found", "cure"}
        assert row["level"] in {"ok", "warning", "problem"}
        assert (row["level"] == "ok") == (row["cure"] == "")
        assert row["level"] == "ok" or row["check"] in CURES
    settings = {row["key"]: (row["value"], row["from"]) for row in page["settings"]}
    assert settings["STREAMEND_API_TOKEN"] == ("***", "config")
    assert settings["STREAMEND_REDIS_URL"] == ("***", "config")
    assert settings["STREAMEND_LEASE"] == ("15", "default")
    assert "open-sesame" not in printed


def test_settings_from_the_environment_are_named_so(redis_url: str, monkeypatch: Any) -> None:
    """Each setting that is no default says whether config or environment has it."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("FRONTEND_URL", "https://other.example.org")
    app = Flask("local")
    app.config.update(SECRET_KEY="tests", STREAMEND_DELAY=5)
    StreamEnd(app)
    found = here(app)["settings"].found
    assert "STREAMEND_DELAY=5 (config)" in found
    assert "FRONTEND_URL=https://other.example.org (environment)" in found
    assert "STREAMEND_REDIS_URL=*** (environment's REDIS_URL)" in found
    assert redis_url not in found


def test_memory_is_looked_at_as_far_as_a_shell_can(ground: Ground) -> None:
    """Under memory:// store, mail and FRONTEND_URL are looked at, as the first five minutes do."""
    config = {"STREAMEND_REDIS_URL": "memory://", "MAIL_SERVER": "127.0.0.1"}
    config["MAIL_PORT"] = str(ground.mailbox.port)
    env = {"SITE_CONFIG": json.dumps(config), "FLASK_APP": "tests.apps.site"}
    status, printed, _ = ground.command(env, "doctor")
    *_, store, mail, frontend, summary = printed.splitlines()
    assert store == "ok store memory:// (one process)"
    assert mail.startswith(f"ok mail 127.0.0.1:{ground.mailbox.port} greeted in ")
    assert frontend == (
        "!! frontend-url unset: the mail's button leads to http://localhost:8081 (set FRONTEND_URL)"
    )
    assert (summary, status) == ("1 problem", 1)


# Redis.


def test_without_redis_it_could_not_look(ground: Ground) -> None:
    """Where Redis is away it says so, looks at what it can, and exits with 2."""
    config = {"STREAMEND_REDIS_URL": NO_REDIS, "MAIL_PORT": ground.mailbox.port}
    env = {"SITE_CONFIG": json.dumps(config), "FLASK_APP": "tests.apps.site"}
    status, found = asked(ground, env)
    assert status == 2
    check(found["redis-away"], "problem", "ConnectionError", "start it")
    assert {"mail", "frontend-url"} <= set(found)


def test_a_redis_that_throws_keys_away_is_named(ground: Ground, site: Site) -> None:
    """Any policy but noeviction is a problem."""
    ground.redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        status, found = asked(ground, site.env)
    finally:
        ground.redis.config_set("maxmemory-policy", "noeviction")
    assert status == 1
    check(found["eviction"], "problem", "allkeys-lru", "maxmemory-policy noeviction")


def test_what_redis_keeps_on_disk_is_a_warning_at_the_most(ground: Ground, site: Site) -> None:
    """Nothing, snapshots, or every write: said, and never a problem."""
    check(asked(ground, site.env)[1]["persistence"], "warning", "nothing is written", "appendonly")
    ground.redis.config_set("save", "3600 1")
    check(asked(ground, site.env)[1]["persistence"], "warning", "snapshots only (save 3600 1)")
    ground.redis.config_set("save", "")
    ground.redis.config_set("appendonly", "yes")
    try:
        assert asked(ground, site.env)[1]["persistence"].level == "ok"
    finally:
        ground.redis.config_set("appendonly", "no")


def test_a_redis_that_tells_little_is_looked_at_as_far_as_it_goes(ground: Ground) -> None:
    """A user who may not read INFO is told to look for themselves; the rest is looked at."""
    rules: Any = {"keys": ["*"], "categories": ["+@all"], "commands": ["-info", "-config"]}
    ground.redis.acl_setuser("shy", enabled=True, nopass=True, channels=["*"], **rules)
    shy = ground.redis_url.replace("redis://", "redis://shy:any@")
    found = here(make_app(shy, STREAMEND_NAMESPACE="shy"))
    ground.redis.acl_deluser("shy")
    assert found["store"].level == "ok"
    check(found["eviction"], "warning", "may not read INFO", "noeviction")
    assert {"no-web", "queue"} <= set(found)
    assert "shy" not in found["store"].found, "user and password are not shown"


def test_a_redis_that_is_too_old_is_named(ground: Ground, site: Site) -> None:
    """What says that it is 6.0 is a problem. (None that old is at hand: its word is changed.)"""
    app = make_app(ground.redis_url)
    redis = state(app).redis
    assert redis is not None
    told: Any = redis.info()
    redis.info = lambda *_: {**told, "redis_version": "6.0.16"}  # type: ignore[method-assign]
    check(here(app)["redis-version"], "problem", "6.0.16", "6.2")


# Web processes.


def test_no_web_process_is_a_warning(ground: Ground, site: Site) -> None:
    """None may be meant, as before the start; the namespace is named."""
    env = changed(site, STREAMEND_NAMESPACE="nobody")
    check(asked(ground, env)[1]["no-web"], "warning", "'nobody'", "namespace")


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        pytest.param(("-k", "sync"), "sync-worker", ("-k gevent",), id="sync-worker"),
        pytest.param(
            ("-k", "gevent", "--worker-connections", "10000000"),
            "open-files",
            ("--worker-connections is 10,000,000", "LimitNOFILE"),
            id="open-files",
        ),
    ],
)
def test_what_a_shell_cannot_see_of_a_server_is_told(
    ground: Ground, args: tuple[str, ...], code: str, words: tuple[str, ...]
) -> None:
    """A web process reports its worker class and limits; what is wrong with them is named."""
    site = ground.site(*args, STREAMEND_NAMESPACE=code)
    known(ground, code)
    status, found = asked(ground, site.env)
    assert status == 1
    check(found[code], "problem", f":{site_pid(ground, code)}", *words)
    ground.stop_process(site.process)


def test_a_web_process_that_has_just_answered_is_waited_for(ground: Ground) -> None:
    """What is wrong with a site is found right after its start, not only the next time."""
    site = ground.site("-k", "sync", STREAMEND_NAMESPACE="fresh")
    status, found = asked(ground, site.env, "--url", f"http://127.0.0.1:{site.port}")
    assert status == 1
    check(found["sync-worker"], "problem", "-k gevent")
    assert "no-web" not in found
    ground.stop_process(site.process)


def site_pid(ground: Ground, namespace: str) -> int:
    """Return the process id of a namespace's one web process."""
    (one,) = (i for i in RedisStore(ground.redis, namespace).introduced() if not i.worker)
    facts = Facts.unpack(one.facts)
    assert facts is not None
    return facts.pid


def test_less_room_than_viewers_wanted_is_a_warning(ground: Ground) -> None:
    """Room that is nearly taken, or is less than STREAMEND_MAX_CLIENTS, is named."""
    args = ("-k", "gevent", "--worker-connections", "5")
    site = ground.site(*args, STREAMEND_NAMESPACE="room", STREAMEND_MAX_CLIENTS=100)
    known(ground, "room")
    check(asked(ground, site.env)[1]["room"], "warning", "5 viewers", "100", "--worker-connections")
    viewers = [site.watch("jam") for _ in range(4)]
    store = RedisStore(ground.redis, "room")
    eventually(lambda: store.totals(0).clients == 4, "four watch")
    env = changed(site, STREAMEND_MAX_CLIENTS=None)
    check(asked(ground, env)[1]["room"], "warning", "holds 4 viewers of 5")
    for viewer in viewers:
        viewer.close()
    ground.stop_process(site.process)


# Workers.


def test_no_worker_is_a_problem_and_those_of_other_queues_are_named(
    ground: Ground, site: Site, worker: Process
) -> None:
    """Where nobody reads the queue, it says which queues are read."""
    status, found = asked(ground, changed(site, STREAMEND_QUEUE="others"))
    assert status == 1
    check(found["no-worker"], "problem", "'others'", "'default'", "flask streamend worker")


@pytest.mark.parametrize(("kind", "there"), [("plain", True), ("tuned", False)])
def test_a_scheduler_is_missed_only_where_nobody_else_rings(
    ground: Ground, site: Site, kind: str, there: bool
) -> None:
    """A plain rq worker without web process or scheduler is a problem; our worker is none."""
    env = changed(site, STREAMEND_NAMESPACE=f"alone-{kind}", STREAMEND_QUEUE=f"alone-{kind}")
    worker = ground.worker(site, kind, queue=f"alone-{kind}", env=env)
    if kind == "tuned":
        eventually(lambda: workers_of(ground, "alone-tuned"), "it said what it is")
    status, found = asked(ground, env)
    assert ("no-scheduler" in found) is there
    assert status == int(there)
    if there:
        check(found["no-scheduler"], "problem", "--with-scheduler")
    ground.stop_process(worker)


@pytest.fixture(scope="module")
def mixed(ground: Ground) -> Site:
    """Return a site whose worker is set up otherwise."""
    site = ground.site(STREAMEND_NAMESPACE="mixed", STREAMEND_QUEUE="mixed")
    known(ground, "mixed")
    other = {"SECRET_KEY": "another", "FRONTEND_URL": "https://staging.example.org"}
    ground.worker(site, "tuned", "mixed", changed(site, **other, MAIL_SUPPRESS_SEND=True))
    eventually(lambda: workers_of(ground, "mixed"), "it said what it is")
    return site


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("worker-keys", ("flask streamend worker: other keys than", "SECRET_KEY")),
        ("frontend-differs", ("another one than", "FRONTEND_URL")),
        ("mail-suppressed", ("flask streamend worker", "MAIL_SUPPRESS_SEND")),
    ],
)
def test_a_worker_that_is_set_up_otherwise_is_found(
    ground: Ground, mixed: Site, code: str, words: tuple[str, ...]
) -> None:
    """Keys, FRONTEND_URL and suppressed mail are compared by what both reported."""
    status, found = asked(ground, mixed.env)
    assert status == 1
    check(found[code], "problem", *words)


def test_no_secret_and_no_link_is_reported(ground: Ground, mixed: Site) -> None:
    """What processes report has no key, no address and no link in it."""
    reports = [one.facts for one in RedisStore(ground.redis, "mixed").introduced()]
    assert len(reports) == 2
    for secret in ("another", "example.org", "://", "@", str(ground.mailbox.port)):
        assert secret not in "".join(reports)


def test_health_names_other_keys_and_is_well_all_the_same(ground: Ground, mixed: Site) -> None:
    """A worker that can't open an alarm's seal says so; hosts are told all the same."""
    viewer = mixed.watch("sealed")
    eventually(lambda: RedisStore(ground.redis, "mixed").totals(0).live, "somebody watches")
    viewer.close()

    def named() -> bool:
        page = json.loads(mixed.get("/health")[1])
        return [problem["code"] for problem in page["problems"]] == ["worker-keys"]

    eventually(named, "the page names it")
    status, body = mixed.get("/health")
    assert (status, json.loads(body)["status"]) == (200, "ok")


def test_a_worker_of_another_redis_is_found(ground: Ground, tmp_path: Path) -> None:
    """A worker that reads another Redis than the site's is named beside ``no-worker``."""
    site = ground.site(STREAMEND_NAMESPACE="here", STREAMEND_QUEUE="here")
    elsewhere = ground.redis_url.removesuffix("/1") + "/2"
    command = ["rq.cli", "worker", "--url", elsewhere, "-w", "flask_streamend.Worker", "here"]
    worker = Process([sys.executable, "-m", *command], tmp_path / "worker.log", site.env)
    eventually(lambda: workers_of(ground, "here"), lambda: f"it said what it is: {worker.output()}")
    status, found = asked(ground, site.env)
    assert status == 1
    assert "no-worker" in found
    check(found["worker-elsewhere"], "problem", "flask_streamend.Worker", "rq worker --url")
    worker.stop()


def test_a_worker_whose_application_is_elsewhere_is_found(ground: Ground) -> None:
    """Its jobs come from the site's Redis, and its application looks into another that is there."""
    site = ground.site(STREAMEND_NAMESPACE="there", STREAMEND_QUEUE="there")
    elsewhere = ground.redis_url.removesuffix("/1") + "/2"
    ground.worker(site, "plain", "there", changed(site, STREAMEND_REDIS_URL=elsewhere))
    site.watch("there-jam").close()
    store = RedisStore(ground.redis, "there")
    eventually(lambda: "worker-elsewhere" in store.totals(0).problems, "the worker met it")
    assert "worker-elsewhere" in site.get("/health")[1]
    eventually(lambda: workers_of(ground, "there"), "it said what it is")
    status, found = asked(ground, site.env)
    assert status == 1
    check(found["worker-elsewhere"], "problem", "STREAMEND_REDIS_URL")


def test_a_worker_that_stopped_is_forgotten(ground: Ground, site: Site) -> None:
    """It takes back what it said of itself, whichever it was."""
    before = {facts.pid for facts in workers_of(ground)}
    for kind in ("tuned", "preloaded"):
        worker = ground.worker(site, kind)
        pid = worker.popen.pid
        eventually(lambda: pid in {facts.pid for facts in workers_of(ground)}, "it is known")  # noqa: B023
        ground.stop_process(worker)
        assert {facts.pid for facts in workers_of(ground)} == before


def test_a_worker_that_cannot_load_the_application_is_found(ground: Ground) -> None:
    """Once it was asked to tell somebody: which application it loads, RQ does not say."""
    site = ground.site(STREAMEND_NAMESPACE="unloaded", STREAMEND_QUEUE="unloaded")
    env = {**site.env, "FLASK_APP": "tests.apps.broken"}
    ground.worker(site, "plain", "unloaded", env)
    site.watch("unloaded-jam").close()
    store = RedisStore(ground.redis, "unloaded")
    eventually(lambda: "worker-app" in store.totals(0).problems, "the worker met it")
    status, found = asked(ground, site.env)
    assert status == 1
    check(found["worker-app"], "problem", "a worker met it", "FLASK_APP")


def test_a_worker_with_another_mail_server_is_told(ground: Ground) -> None:
    """The mail server that was looked at may not be the one notices go to: a warning says so."""
    name = "other-mail"
    site = ground.site(STREAMEND_NAMESPACE=name, STREAMEND_QUEUE=name)
    ground.worker(site, "tuned", queue=name, env=changed(site, MAIL_PORT=1))
    found = asked(ground, site.env)[1]["mail-differs"]
    check(found, "warning", "flask streamend worker: not the one", "worker's environment")


def test_a_shell_that_is_set_up_otherwise_is_told(ground: Ground, site: Site) -> None:
    """What it finds may not be true of the site: a warning names what differs."""
    env = changed(site, SECRET_KEY="another", FRONTEND_URL="https://staging.example.org")
    found = asked(ground, env)[1]["shell-differs"]
    check(found, "warning", "other keys and FRONTEND_URL than", "environment")


def test_processes_of_different_versions_are_named(ground: Ground, site: Site) -> None:
    """Beside a process of an older version, as in an upgrade that stopped half-way: a warning."""
    (own,) = (one for one in ground.store.introduced() if not one.worker)
    facts = Facts.unpack(own.facts)
    assert facts is not None
    older = replace(facts, versions={**facts.versions, "flask-streamend": "0.0.9"})
    Web(ground.store, "0a1d").send({})
    ground.store.introduce("0a1d", older.pack(), HOUR)
    check(asked(ground, site.env)[1]["version-skew"], "warning", "flask-streamend 0.0.9, 0.1.0")
    ground.store.reap("0a1d", goodbye=True)


# Notices.


def test_what_the_store_knows_is_told(ground: Ground, site: Site) -> None:
    """A hold, what is overdue, dead letters, and what workers met."""
    app = make_app(ground.redis_url, STREAMEND_NAMESPACE="late")
    store = state(app).store
    end(store, "given-up")
    delivery = take(store, "me").id
    assert store.sending(delivery, "me", LEASE)
    store.settle(delivery, "me", "email", Outcome.DEAD, "550 no", 0)
    check(here(app)["dead-letters"], "warning", "1 in the ledger", "deliveries --dead")
    end(store, "late")
    eventually(lambda: store.totals(0).overdue, "it is overdue")
    check(here(app)["overdue"], "problem", "1 notice, the oldest", "start more workers")
    store.hold(HOUR)
    check(here(app)["held"], "problem", "for 3600 s", "hold 0")


def test_a_gap_is_told(ground: Ground) -> None:
    """While a Redis that was emptied waits for its processes, it says so."""
    app = make_app(ground.redis_url, STREAMEND_NAMESPACE="gap")
    Web(state(app).store, "a1").send({"jam": 1})
    state(app).store.heartbeat("a1", LEASE, 0, knew="another life")
    check(here(app)["catching-up"], "problem", "for 60 s")


# The application.


def test_settings_that_are_doubtful_are_named(redis_url: str) -> None:
    """A ping interval that proxies don't wait for is a warning."""
    app = make_app(redis_url, STREAMEND_PING_INTERVAL=60)
    check(here(app)["ping-interval"], "warning", "every 60 s", "STREAMEND_PING_INTERVAL")


def test_without_an_event_loader_nobody_is_told(redis_url: str) -> None:
    """No loader is a problem."""
    app = Flask("local")
    app.config.update(SECRET_KEY="tests", STREAMEND_REDIS_URL=redis_url)
    StreamEnd(app)
    check(here(app)["no-loader"], "problem", "@streamend.event_loader")


def test_a_status_page_that_nobody_can_open_is_a_warning(redis_url: str) -> None:
    """Asked for without a token."""
    app = make_app(redis_url, STREAMEND_STATUS_PAGE=True)
    check(here(app)["status-page-shut"], "warning", "no token", "STREAMEND_API_TOKEN")


def test_a_page_that_another_rule_answers_is_named(redis_url: str) -> None:
    """Both owners, and the setting to change."""
    app = make_app(redis_url)
    app.add_url_rule("/metrics", "mine", lambda: "mine")
    check(here(app)["route-taken"], "problem", "'mine'", "STREAMEND_METRICS_PATH")


@pytest.mark.parametrize(
    ("app", "config", "words"),
    [
        ("bare", {}, "NotRegisteredError: StreamEnd is not registered on"),
        ("broken", {}, "KeyError: 'THE_SETTING_THAT_NOBODY_SET'"),
        ("site", {"STREAMEND_DELAY": "soon"}, "ConfigurationError: STREAMEND_DELAY is 'soon'"),
    ],
)
def test_an_application_that_fails_is_told_without_a_trace(
    ground: Ground, app: str, config: dict[str, str], words: str
) -> None:
    """It could not look: exit 2, and the application's own error."""
    env = {"SITE_CONFIG": json.dumps(config), "FLASK_APP": f"tests.apps.{app}"}
    status, found = asked(ground, env)
    assert status == 2
    check(found["application-fails"], "problem", words)
    _, printed, errors = ground.command(env, "doctor")
    assert printed.startswith(f"!! application-fails {words}")
    assert "Traceback" not in errors


# Mail.


def test_mail_without_a_sender_or_suppressed_is_named(redis_url: str) -> None:
    """No sender, TESTING, MAIL_SUPPRESS_SEND: each is a problem, and the server is left alone."""
    found = here(make_app(redis_url, MAIL_DEFAULT_SENDER=None, MAIL_SUPPRESS_SEND=True))
    check(found["mail-sender"], "problem", "MAIL_DEFAULT_SENDER")
    check(found["mail-suppressed"], "problem", "MAIL_SUPPRESS_SEND")
    found = here(make_app(redis_url, TESTING=True))
    check(found["mail-suppressed"], "problem", "TESTING")
    assert "mail-away" not in found


def test_a_mail_server_that_is_away_is_named(redis_url: str) -> None:
    """Nobody listens; and one that does not greet is waited for no longer than its time-out."""
    check(here(make_app(redis_url, MAIL_PORT=free_port()))["mail-away"], "problem", "MAIL_SERVER")
    silent = ScriptedServer({"CONNECT": ""})
    app = make_app(redis_url, MAIL_PORT=silent.port, STREAMEND_MAIL_TIMEOUT=2)
    check(here(app)["mail-away"], "problem", "timed out", "MAIL_PORT")
    silent.stop()


def test_a_certificate_that_nobody_vouches_for_is_named(redis_url: str, tmp_path: Path) -> None:
    """Encryption that fails is a problem of its own; with the authority added all is well."""
    pem, context = certificate(tmp_path, "127.0.0.1")
    server = Server(Inbox(), None, context)
    server.start()
    config = {"MAIL_PORT": server.port, "MAIL_USE_TLS": True}
    check(here(make_app(redis_url, **config))["mail-tls"], "problem", "STREAMEND_MAIL_CA")
    found = here(make_app(redis_url, **config, STREAMEND_MAIL_CA=str(pem)))["mail"]
    assert "greeted, encrypted in" in found.found
    server.stop()


def test_a_login_that_is_refused_is_named(redis_url: str) -> None:
    """The server's word is shown, the password is not."""
    server = ScriptedServer({"EHLO": "250-here\r\n250 AUTH PLAIN", "AUTH": "535 5.7.8 go away"})
    config = {"MAIL_USERNAME": "live", "MAIL_PASSWORD": "open-sesame"}
    found = here(make_app(redis_url, MAIL_PORT=server.port, **config))["mail-login"]
    check(found, "problem", "535", "MAIL_USERNAME")
    assert "open-sesame" not in str(found)
    server.stop()


# FRONTEND_URL.


class Strip(BaseHTTPRequestHandler):
    """A proxy that passes pages on, and no upgrade; without a port to pass to, another site."""

    behind = 0

    def do_GET(self) -> None:
        """Answer as the site would where it is asked for a page."""
        if not self.behind:
            self.send_response(404)
            self.end_headers()
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=10)
        connection.request("GET", self.path)
        answer = connection.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        self.end_headers()
        self.wfile.write(body)
        connection.close()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def before(port: int) -> Iterator[str]:
    """Run such a proxy before a port and return its address."""
    handler = type("Handler", (Strip,), {"behind": port})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_proxy_that_passes_no_upgrade_is_named(ground: Ground, site: Site) -> None:
    """A handshake that arrives as a plain request is a problem of the proxy."""
    with before(site.port) as url:
        status, found = asked(ground, site.env, "--url", url)
    assert status == 1
    check(found["proxy"], "problem", f"{url} answered a WebSocket with 400", "docs/deployment.md")


def test_another_site_at_frontend_url_is_a_warning(ground: Ground, site: Site) -> None:
    """Pages may live on another host than sockets: named, with what to ask."""
    with before(0) as url:
        found = asked(ground, site.env, "--url", url)[1]
    check(found["frontend-elsewhere"], "warning", "404", "--url URL")
    url = f"http://127.0.0.1:{free_port()}"
    found = asked(ground, site.env, "--url", url)[1]
    check(found["frontend-away"], "warning", "ConnectionRefusedError")


def test_what_a_stranger_says_is_shown_on_one_line(ground: Ground, site: Site) -> None:
    """An answer that is no HTTP neither breaks a line nor commands the terminal."""
    server = ScriptedServer({"CONNECT": "220 here\x1b[2J"})
    printed = ground.command(site.env, "doctor", "--url", f"http://127.0.0.1:{server.port}")[1]
    server.stop()
    (line,) = [line for line in printed.splitlines() if "frontend-away" in line]
    assert line.endswith("220 here?[2J")
    assert "\n\n" not in printed


class Hostile(BaseHTTPRequestHandler):
    """A site that never ends, by its path; or that sends whoever asks on to another."""

    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Answer with what is named."""
        self.seen.append(self.path)
        kind = self.path.split("/")[1]
        if kind == "elsewhere":
            self.send_response(302)
            self.send_header("Location", "/elsewhere-indeed")
            self.end_headers()
            return
        self.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"\r\n" * (kind != "head"))
        if kind == "nested":
            self.wfile.write(b"[" * 200_000)
            return
        with suppress(OSError):
            while True:
                self.wfile.write(b"x")
                Event().wait(0.2)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("head", "frontend-elsewhere"),
        ("body", "frontend-elsewhere"),
        ("nested", "frontend-elsewhere"),
        ("elsewhere", "frontend-elsewhere"),
    ],
)
def test_a_hostile_site_is_left_in_time(kind: str, code: str) -> None:
    """One whose answer drips without an end or nests too deep is a warning; none is followed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/{kind}"
    app = make_app(FRONTEND_URL=url)
    with app.app_context(), ThreadPoolExecutor(1) as aside:
        look = aside.submit(lambda: list(frontend(Case(app, state(app)))))
        try:
            found = {finding.check: finding for finding in look.result(PATIENCE)}
        finally:
            server.shutdown()
            server.server_close()
    check(found[code], "warning", url)
    assert not any("indeed" in path for path in Hostile.seen)


@pytest.mark.parametrize("url", ["http://.example.org", f"http://{'a' * 70}.org"])
def test_a_host_that_can_be_no_name_is_a_warning(url: str) -> None:
    """An address that a browser could not open either is named, without a trace."""
    app = make_app(FRONTEND_URL=url)
    found = {finding.check: finding for finding in frontend(Case(app, state(app)))}
    check(found["frontend-away"], "warning", url)


def test_a_path_may_be_in_any_script() -> None:
    """A path beyond ASCII is asked for as a browser does."""
    with before(0) as url:
        app = make_app(FRONTEND_URL=f"{url}/straße")
        found = {finding.check: finding for finding in frontend(Case(app, state(app)))}
    check(found["frontend-elsewhere"], "warning", "404")


def test_looking_leaves_no_trace_of_a_viewer(ground: Ground, site: Site) -> None:
    """The look through the proxy asks no loader and counts nobody."""
    before_it = ground.store.totals(0)
    asked(ground, site.env, "--url", f"http://127.0.0.1:{site.port}")
    after = ground.store.totals(0)
    begun = "sessions_begun"
    assert after.counters.get(begun, 0) == before_it.counters.get(begun, 0)
    assert after.processes == before_it.processes, "the doctor is no web process"


# All codes.


def test_every_code_the_doctor_gives_is_brought_about_above() -> None:
    """Each problem and warning of the doctor's has its cure, and a test on this page."""
    given: set[str] = set()
    for source in Path(flask_streamend.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("wrong", "doubtful"):
                code = node.args[0]
                given.update([str(code.value)] if isinstance(code, ast.Constant) else [])
    assert len(given) > 20
    assert given <= set(CURES)
    page = Path(__file__).read_text(encoding="utf-8")
    assert [code for code in sorted(given) if f'"{code}"' not in page] == []
