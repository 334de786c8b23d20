"""Fixtures that start the real parts; a part the machine lacks skips, and fails in CI."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from flask_streamend.state import living
from flask_streamend.store.interface import Store
from flask_streamend.store.memory import MemoryStore
from flask_streamend.store.redis import RedisStore

from .apps.store import pooled
from .collector import Collector
from .ground import Ground
from .postgres import PostgresServer, postgres_programs
from .servers import Mailbox, Process, Site, eventually, free_port, redis_program

StartSite = Callable[..., Site]
StartWorker = Callable[..., Process]


def missing(what: str, cure: str) -> None:
    """Skip, or in CI fail, because a program is not there."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing in CI: {cure}")
    pytest.skip(f"{what} is missing: {cure}")


#: What a developer's own shell may say of an application: none of it is for these tests.
_OF_APPLICATIONS = ("STREAMEND_", "OTEL_", "FLASK_", "REDIS_", "MAIL_")


def pytest_configure() -> None:
    """Have tests, and what they start, know nothing of the shell they run in."""
    for name in list(os.environ):
        if name.startswith(_OF_APPLICATIONS) or name in ("FRONTEND_URL", "WEBSOCKET_PORT"):
            del os.environ[name]


@pytest.fixture(autouse=True)
def _keepers() -> Iterator[None]:
    """End the keepers of applications a test made here: they would see to the next ones."""
    before = set(living)
    yield
    for state in set(living) - before:
        state.keeper.stop()


@pytest.fixture(scope="session")
def _redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    program = redis_program()
    if program is None:
        missing("redis-server", "apt-get install redis-server")
        return
    folder, port = tmp_path_factory.mktemp("redis"), free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = Process([program, *options], folder / "redis.log")
    process.wait_for("Ready to accept connections")
    with Redis(port=port) as client:
        # A store that is new in a Redis that just started waits: it may have been emptied by that.
        eventually(lambda: int(client.info("server")["uptime_in_seconds"]) >= 5, "Redis is not new")
    yield port
    process.stop()


@pytest.fixture
def redis_url(_redis_port: int) -> str:
    """Return the address of an empty Redis that this run started."""
    url = f"redis://127.0.0.1:{_redis_port}/0"
    with Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """Return a client of that Redis."""
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(scope="module")
def ground(_redis_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Return an emptied Redis, a mailbox, and what a module's tests start there and share."""
    # Another database than `redis_url`'s: who lives in this process beats there.
    ground = Ground(tmp_path_factory.mktemp("ground"), f"redis://127.0.0.1:{_redis_port}/1")
    yield ground
    ground.stop()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """Return a collector of traces, which a module's tests share."""
    collector = Collector()
    yield collector
    collector.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Return a PostgreSQL that this run started; what a test finds in it is another's."""
    programs = postgres_programs()
    if programs is None:
        missing("postgres", "apt-get install postgresql")
        return
    server = PostgresServer(programs)
    server.start()
    yield server
    server.remove()


@pytest.fixture(params=["redis", "memory"])
def any_store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Return each store in turn, empty: what one does the other does."""
    if request.param == "memory":
        yield MemoryStore()
        return
    client = pooled(request.getfixturevalue("redis_url"))
    yield RedisStore(client, "test")
    client.close()


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    """Return an SMTP server with an empty mailbox."""
    box = Mailbox(tmp_path)
    yield box
    box.process.stop()


@pytest.fixture
def start_site(tmp_path: Path, redis_url: str, mailbox: Mailbox) -> Iterator[StartSite]:
    """Return a function that starts the tests' site under gunicorn; keywords are its settings."""
    started: list[Site] = []

    def start(*args: str, env: dict[str, str] | None = None, **config: Any) -> Site:
        settings = {
            "STREAMEND_REDIS_URL": redis_url,
            "STREAMEND_DELAY": 1,
            "FRONTEND_URL": "https://live.example.org",
            "MAIL_SERVER": "127.0.0.1",
            "MAIL_PORT": mailbox.port,
            **config,
        }
        site = Site(tmp_path, settings, args or ("-k", "gevent"), **(env or {}))
        started.append(site)
        return site

    yield start
    for site in started:
        site.process.stop()


@pytest.fixture
def start_worker(tmp_path: Path, redis_url: str, redis: Redis) -> Iterator[StartWorker]:
    """Return a function that starts a plain ``rq worker`` for a site."""
    started: list[Process] = []

    def start(site: Site, *args: str, program: tuple[str, ...] = ("worker",)) -> Process:
        command = [sys.executable, "-m", "rq.cli", *program, "--url", redis_url, *args]
        worker = Process(command, tmp_path / f"worker-{len(started)}.log", site.env)
        started.append(worker)
        eventually(lambda: redis.scard("rq:workers") == len(started), "the worker is registered")
        return worker

    yield start
    for worker in started:
        worker.stop()
