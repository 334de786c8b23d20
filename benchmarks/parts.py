"""The processes a measurement starts, each on a loopback port of its own, all ended with it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from redis import Redis

from tests.servers import Process, accepts, eventually, free_port, redis_program

from .readings import children

#: Each worker by the name a reader knows it by, as its command line after ``python -m``.
WORKERS = {
    "flask streamend worker": "flask streamend worker {queue}",
    "rq worker": "rq.cli worker --url {url} {queue}",
    "rq worker -w flask_streamend.Worker": (
        "rq.cli worker --url {url} -w flask_streamend.Worker {queue}"
    ),
    "rq worker --with-scheduler": "rq.cli worker --url {url} --with-scheduler {queue}",
    "rq, loaded before its forks": "benchmarks.rival_worker {url} {queue}",
}


class Client:
    """The viewers' process. See :mod:`benchmarks.viewers`."""

    def __init__(self, port: int, protocol: str) -> None:
        self._popen = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "benchmarks.viewers", str(port), protocol],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        """Return the process's id."""
        return self._popen.pid

    def _order(self, **order: Any) -> Any:
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._popen.stdin.write(json.dumps(order) + "\n")
        self._popen.stdin.flush()
        answer = self._popen.stdout.readline()
        if not answer:
            raise RuntimeError("the viewers' process failed; its error is above")
        return json.loads(answer)

    def open(self, events: Sequence[str], window: int = 16, apart: float = 0.0) -> float:
        """Open a socket for each event, so many at a time; return the seconds it took.

        :param apart: seconds between two at the least.
        """
        return float(self._order(open=list(events), window=window, apart=apart)["seconds"])

    def close(self, seconds: float = 0.0, last: int | None = None) -> list[float]:
        """Close sockets, evenly over some seconds; return when each was, since the epoch.

        :param last: how many, of those who came last; None: all.
        """
        return [float(at) for at in self._order(close=seconds, last=last)["at"]]

    def stop(self) -> None:
        """End the process."""
        assert self._popen.stdin is not None
        self._popen.stdin.close()
        try:
            self._popen.wait(5)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait(5)


class Parts(ExitStack):
    """Starts processes; as a context, ends them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(self.enter_context(TemporaryDirectory(prefix="bench-")))

    def start(self, *args: str, env: dict[str, str] | None = None) -> Process:
        """Start a program of this Python's."""
        log = self.folder / f"{time.monotonic_ns()}.log"
        process = Process(args, log, env)
        self.callback(process.stop)
        return process

    def redis(self) -> str:
        """Start a Redis and return its address."""
        program, port = redis_program(), free_port()
        if program is None:
            raise RuntimeError("redis-server is missing: apt-get install redis-server")
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        self.start(program, *options, "--dir", str(self.folder)).wait_for("Ready to accept")
        return f"redis://127.0.0.1:{port}/0"

    def sink(self) -> tuple[int, Path]:
        """Start a mail server; return its port and the file of what it took."""
        port, accepted = free_port(), self.folder / "accepted"
        self.start(sys.executable, "-m", "benchmarks.sink", str(port), str(accepted))
        eventually(lambda: accepts(port), "the mail server listens")
        return port, accepted

    def site(self, factory: str, config: dict[str, Any], *args: str) -> tuple[int, int]:
        """Start a site under gunicorn; return its port and its one worker's process id.

        :param factory: what makes it, as ``sites:floor``.
        """
        port = free_port()
        process = self.start(
            *(sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", *args),
            f"benchmarks.{factory}()",
            env={"BENCH_CONFIG": json.dumps(config)},
        )
        process.wait_for("Booting worker")
        eventually(lambda: accepts(port), "the site listens")
        (worker,) = children(process.popen.pid)
        return port, worker

    def worker(self, kind: str, config: dict[str, Any]) -> Process:
        """Start a worker, one of :data:`WORKERS`."""
        url = config["STREAMEND_REDIS_URL"]
        queue = config.get("STREAMEND_QUEUE", "default")
        words = [word.format(url=url, queue=queue) for word in WORKERS[kind].split()]
        env = {"BENCH_CONFIG": json.dumps(config), "FLASK_APP": "benchmarks.sites:extension"}
        with Redis.from_url(url) as redis:
            before = int(redis.scard("rq:workers"))
            worker = self.start(sys.executable, "-m", *words, env=env)
            eventually(lambda: redis.scard("rq:workers") > before, "the worker is registered")
        return worker

    def client(self, port: int, protocol: str = "plain") -> Client:
        """Start the viewers' process for a site."""
        client = Client(port, protocol)
        self.callback(client.stop)
        return client
