"""What a module's tests share: a Redis database, a mailbox, sites, workers and commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis

from flask_streamend import EventStatus
from flask_streamend.store.redis import RedisStore

from .apps.store import pooled
from .servers import PATIENCE, Mail, Mailbox, Process, Site, eventually

#: Milliseconds for which nothing is decided, where a test needs that: more than a test takes.
HELD = 600_000
#: Each worker an application may choose, by its command line after ``python -m``.
WORKERS = {
    "plain": ("rq.cli", "worker", "--url", "{url}", "{queue}"),
    "scheduler": ("rq.cli", "worker", "--url", "{url}", "--with-scheduler", "{queue}"),
    "preloaded": (
        *("rq.cli", "worker", "--url", "{url}"),
        *("-w", "flask_streamend.Worker", "{queue}"),
    ),
    "tuned": ("flask", "streamend", "worker", "{queue}"),
}


class Ground:
    """Real parts which tests share, each test with events of its own.

    :param folder: where logs and mails lie.
    :param redis_url: a Redis this run started; it is emptied.
    """

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.folder = folder
        self.redis_url = redis_url
        self.redis: Redis = pooled(redis_url)
        self.redis.flushall()
        self.store = RedisStore(self.redis, "streamend")
        self.mailbox = Mailbox(folder)
        self._started: list[Process] = []

    def site(
        self,
        *args: str,
        app: str = "watching",
        env: dict[str, str] | None = None,
        development: bool = False,
        **config: Any,
    ) -> Site:
        """Start a site under gunicorn, or the development server; keywords are its settings."""
        settings = {
            "STREAMEND_REDIS_URL": self.redis_url,
            "STREAMEND_DELAY": 1,
            "FRONTEND_URL": "https://live.example.org",
            "MAIL_SERVER": "127.0.0.1",
            "MAIL_PORT": self.mailbox.port,
            **config,
        }
        names = {"FLASK_APP": f"tests.apps.{app}", **(env or {})}
        site = Site(self.folder, settings, args or ("-k", "gevent") * (not development), **names)
        self._started.append(site.process)
        return site

    def worker(
        self,
        site: Site,
        kind: str = "tuned",
        queue: str = "default",
        env: dict[str, str] | None = None,
    ) -> Process:
        """Start a worker for a site, and wait until it is there; ``env``: not as the site's is."""
        before = set(self.redis.keys("rq:worker:*"))
        words = (word.format(url=self.redis_url, queue=queue) for word in WORKERS[kind])
        log = self.folder / f"worker-{len(self._started)}.log"
        worker = Process([sys.executable, "-m", *words], log, env or site.env)
        self._started.append(worker)
        eventually(
            lambda: set(self.redis.keys("rq:worker:*")) - before,
            f"the worker is registered: {worker.output()}",
        )
        return worker

    def command(self, env: dict[str, str], *args: str) -> tuple[int, str, str]:
        """Run ``flask streamend …`` as a site's environment has it.

        :returns: its exit status, output and errors.
        """
        done = subprocess.run(
            [sys.executable, "-m", "flask", "streamend", *args],
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def status(self, event_id: str) -> EventStatus:
        """Return how an event stands in the store."""
        return self.store.status([event_id])[0]

    def wait(self, event_id: str, state: str, clients: int | None = None) -> EventStatus:
        """Wait until an event is in a state, with this many viewers, and return its status."""

        def there() -> EventStatus | None:
            status = self.status(event_id)
            right = status.state == state and clients in (None, status.clients)
            return status if right else None

        found = eventually(
            there, lambda: f"{event_id} is {state} with {clients}: {self.status(event_id)}"
        )
        assert found is not None
        return found

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have nothing decided meanwhile, however slow this machine is: no grace period ends."""
        self.store.hold(HELD)
        try:
            yield
        finally:
            self.store.hold(0)

    def due(self, event_id: str) -> float:
        """Wait until an event's end is in the ledger, and return when it was due.

        Its grace period itself may be over before somebody who looks for it has seen it.
        """

        def recorded() -> float | None:
            found = [row.due_at for row in self.store.records(1000) if row.event_id == event_id]
            return found[0] if found else None

        found = eventually(recorded, f"{event_id} is in the ledger")
        assert found is not None
        return found

    def mails(self, event_id: str) -> list[Mail]:
        """Return the mails about an event so far."""
        subject = f"Event Stream Ended - The {event_id}"
        return [mail for mail in self.mailbox.mails() if mail.message["Subject"] == subject]

    def told(self, event_id: str) -> Mail:
        """Wait for an event's mail; it is the only one when nothing is owed any more."""
        eventually(lambda: self.mails(event_id), f"a mail about {event_id}")
        self.all_told()
        (mail,) = self.mails(event_id)
        return mail

    def all_told(self) -> None:
        """Wait until nothing is owed to anybody."""
        keys = self.store.keys
        eventually(
            lambda: not self.redis.zcard(keys.due) and not self.redis.zcard(keys.open),
            "everything that was due is told",
        )

    def counter(self, field: str) -> int:
        """Return a counter as the store has it, by its field."""
        return self.store.totals(0).counters.get(field, 0)

    def stop_process(self, process: Process) -> None:
        """Stop one process before the others."""
        self._started.remove(process)
        process.stop()

    def restart(self, site: Site) -> None:
        """Start a site again, after its process was stopped."""
        site.restart()
        self._started.append(site.process)

    def stop(self) -> None:
        """Stop what was started."""
        # All are told at once: each takes its time.
        for process in self._started:
            process.signal(signal.SIGTERM)
        for process in self._started:
            process.stop()
        self.mailbox.process.stop()
        self.redis.close()
