"""What one chaos test runs on: a Redis, a mail server, web processes, workers and a crowd."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from redis import Redis
from rq import Worker

from ..apps.store import pooled
from ..ground import WORKERS
from ..servers import PATIENCE as AT_ONCE
from ..servers import Process, RedisServer, Site, eventually
from .crowd import Crowd
from .mailbox import Mailbox
from .relay import Relay
from .size import EVENTS, PATIENCE

#: Seconds of grace, and of a dead process's lease.
DELAY, LEASE = 2.0, 3.0
#: Servers that hold a viewer of each event three times over.
CONNECTIONS = ("--worker-connections", str(EVENTS * 4 + 100))
GEVENT = ("-k", "gevent", *CONNECTIONS)
GTHREAD = ("-k", "gthread", "--threads", str(EVENTS * 3 + 50), *CONNECTIONS)


class Stage:
    """Real parts of one test's own, all of which it may kill.

    :param config: settings of the application, beside those every chaos test has.
    :ivar ended: workers that ended by themselves and were replaced.
    :ivar killed: how many workers were killed.
    """

    def __init__(
        self,
        folder: Path,
        redis_program: str,
        app: str = "site",
        append_only: bool = False,
        tls: bool = False,
        **config: Any,
    ) -> None:
        self.folder = folder
        self.redis_server = RedisServer(folder, redis_program, append_only)
        self.redis_server.start()
        self.redis: Redis = pooled(self.redis_server.url)
        self.mailbox = Mailbox(folder / "mail", tls)
        self.crowd = Crowd()
        self.sites: list[Site] = []
        self.workers: list[Process] = []
        self.ended: list[Process] = []
        self.killed = 0
        self._kinds: dict[int, tuple[str, dict[str, str]]] = {}
        self.delay = float(config.get("STREAMEND_DELAY", DELAY))
        self.config = {
            "STREAMEND_REDIS_URL": self.redis_server.url,
            "STREAMEND_DELAY": DELAY,
            "STREAMEND_LEASE": LEASE,
            "STREAMEND_RETRY_BACKOFF": 0.5,
            "STREAMEND_MAIL_TIMEOUT": 1,
            "FRONTEND_URL": "https://live.example.org",
            "MAIL_SERVER": "127.0.0.1",
            "MAIL_PORT": self.mailbox.port,
            **({"MAIL_USE_TLS": True, "STREAMEND_MAIL_CA": str(self.mailbox.ca)} if tls else {}),
            **config,
        }
        self.env = {"FLASK_APP": f"tests.apps.{app}", "SITE_CONFIG": json.dumps(self.config)}

    def start(
        self,
        *webs: tuple[str, ...],
        workers: Iterable[str] = ("tuned",),
        web_env: dict[str, str] | None = None,
        worker_env: dict[str, str] | None = None,
    ) -> list[Site]:
        """Start web processes and workers, all at once, and return the sites when all are there.

        :param webs: gunicorn's arguments for each web process.
        :param workers: kinds of workers, as :data:`tests.ground.WORKERS` has them.
        """
        kinds = list(workers)
        with ThreadPoolExecutor(len(webs) + len(kinds)) as pool:
            starting = [pool.submit(self.web, args, web_env) for args in webs]
            working = [pool.submit(self.worker, kind, worker_env) for kind in kinds]
            sites = [start.result() for start in starting]
            for start in working:
                start.result()
        return sites

    def web(self, args: tuple[str, ...] = GEVENT, env: dict[str, str] | None = None) -> Site:
        """Start one web process."""
        names = {**self.env, **(env or {})}
        site = Site(self.folder, self.config, args, **names)
        self.sites.append(site)
        return site

    def by(self, relay: Relay) -> dict[str, str]:
        """Return the environment of a process that has no other way to Redis."""
        return {"SITE_CONFIG": json.dumps({**self.config, "STREAMEND_REDIS_URL": relay.url})}

    def worker(self, kind: str, env: dict[str, str] | None = None) -> Process:
        """Start one worker, and wait until it is there."""
        words = [word.format(url=self.redis_server.url, queue="default") for word in WORKERS[kind]]
        log = self.folder / f"worker-{kind}.log"
        names = {**self.env, **(env or {})}
        worker = Process([sys.executable, "-m", *words], log, names)
        self.workers.append(worker)
        self._kinds[id(worker)] = kind, env or {}
        eventually(
            lambda: worker.popen.pid in {one.pid for one in Worker.all(self.redis)},
            lambda: f"the worker is registered: {worker.output()}",
        )
        return worker

    def busy(self) -> list[Process]:
        """Return the workers that are at a job."""
        at_work = {one.pid for one in Worker.all(self.redis) if one.get_current_job_id()}
        return [worker for worker in self.workers if worker.popen.pid in at_work]

    def supervise(self) -> None:
        """Start workers again that have ended by themselves, as a supervisor does."""
        for worker in [one for one in self.workers if one.popen.poll() is not None]:
            self.workers.remove(worker)
            self.ended.append(worker)
            self.worker(*self._kinds[id(worker)])

    def kill(self, *processes: Process) -> None:
        """End processes and all they started at one instant, as a crash of their machine does."""
        self.crowd.expect_losses()
        for process in processes:
            if process in self.workers:
                self.workers.remove(process)
                self.killed += 1
            # Who has ended has no number any more: it may be another's by now.
            if process.popen.poll() is None:
                for pid in family(process.popen.pid):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                process.popen.wait(AT_ONCE)

    def health(self, site: Site) -> dict[str, Any]:
        """Return what a site's health page says."""
        page: dict[str, Any] = json.loads(site.get("/health")[1])
        return page

    def counted(self, site: Site, clients: int) -> None:
        """Wait until this many viewers are counted over all processes."""
        eventually(
            lambda: self.health(site)["clients"] == clients,
            f"{clients} viewers are counted",
            PATIENCE,
        )

    def heard(self, site: Site, pending: int) -> None:
        """Wait until this many events are in their grace period, or past it on a slow machine."""
        eventually(
            lambda: len(self.mailbox.told()) + self.health(site)["pending"] == pending,
            f"{pending} events are ending",
            PATIENCE,
        )

    def command(self, *args: str) -> Any:
        """Return what ``flask streamend … --json`` prints."""
        done = subprocess.run(
            [sys.executable, "-m", "flask", "streamend", *args, "--json"],
            env={**os.environ, **self.env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def stop(self) -> None:
        """End what was started."""
        self.crowd.stop()
        self.kill(*(site.process for site in self.sites), *list(self.workers), self.mailbox.process)
        self.redis.close()
        self.redis_server.stop()


def family(pid: int) -> list[int]:
    """Return a process and its descendants: RQ's work horses are in groups of their own."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    family = [pid]
    for member in family:
        family += parents.get(member, [])
    return family
