"""What a scrape of /metrics costs, with many live events on four web processes.

The events are put into the store by the store's own code, as four processes report them. Each web
process is scraped in turn, as Prometheus does: in OpenMetrics, over a new connection.
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections import defaultdict
from typing import Any
from urllib.request import Request, urlopen

from redis import Redis

from flask_streamend.store.base import Held
from flask_streamend.store.redis import RedisStore
from tests.commands import commands

from .contestants import SERVERS
from .figures import spread, summary, table
from .parts import Parts
from .readings import cpu

PROCESSES = 4
#: By its name: live events, and STREAMEND_METRICS_MAX_EVENTS.
SCENES = {
    "100 events": (100, 1000),
    "1,000 events": (1000, 1000),
    "10,000 events": (10_000, 1000),
    "10,000 events, a series each": (10_000, 10_000),
}
HUNG = "1,000 events, Redis hangs"
#: Milliseconds for which the store believes the processes that report: longer than a measurement.
LEASE = 3_600_000
#: Events in one report.
AT_ONCE = 500
#: Scrapes of each process before anything is measured: connections, scripts, caches.
WARM_UP = 2
ACCEPT = "application/openmetrics-text; version=1.0.0"
SHORT = {"rounds": 1, "scenes": ["100 events"]}
FIELDS = ("ms", "cpu", "KiB", "sent", "commands")
Figures = dict[str, float]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument("--rounds", type=int, default=5, help="scrapes of each process")
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=list(SCENES))


def measure(options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Return the figures and the table."""
    found = {scene: _scene(*SCENES[scene], options.rounds) for scene in options.scenes}
    figures = {
        scene: {field: summary(one[field]) for field in FIELDS} for scene, one in found.items()
    }
    rows = [
        [scene, *(spread(one[field], ".1f") for field in FIELDS)] for scene, one in found.items()
    ]
    waits = _hung(options.rounds)
    figures[HUNG] = {"ms": summary(waits)}
    rows.append([HUNG, spread(waits, ".1f"), *("" for _ in FIELDS[1:])])
    title = (
        f"`/metrics` of {PROCESSES} web processes (gunicorn gevent), {options.rounds} scrapes each;"
        " median (lowest-highest); cpu: the web process's own, in ms; sent: commands that reached"
        " Redis; commands: with those that scripts ran there."
    )
    return figures, [table(title, ["scene", *FIELDS], rows)]


def _scene(live: int, series: int, rounds: int) -> dict[str, list[float]]:
    """Return the figures of every scrape."""
    found: dict[str, list[float]] = defaultdict(list)
    with Parts() as parts:
        redis_url = parts.redis()
        config = {"STREAMEND_REDIS_URL": redis_url, "STREAMEND_METRICS_MAX_EVENTS": series}
        sites = [
            parts.site("sites:extension", config, *SERVERS["gevent"]) for _ in range(PROCESSES)
        ]
        redis = parts.enter_context(Redis.from_url(redis_url))
        _fill(RedisStore(redis, "streamend"), live)
        for number in range(WARM_UP + rounds):
            for port, pid in sites:
                one = _scrape(redis, port, pid)
                if number >= WARM_UP:
                    for field in FIELDS:
                        found[field].append(one[field])
    return found


def _hung(rounds: int) -> list[float]:
    """Return how many milliseconds each scrape takes while Redis stands still."""
    with Parts() as parts:
        redis_url = parts.redis()
        config = {"STREAMEND_REDIS_URL": redis_url}
        sites = [
            parts.site("sites:extension", config, *SERVERS["gevent"]) for _ in range(PROCESSES)
        ]
        redis = parts.enter_context(Redis.from_url(redis_url))
        _fill(RedisStore(redis, "streamend"), 1000)
        for port, _ in sites:
            _ask(port)
        server = redis.info("server")["process_id"]
        os.kill(server, signal.SIGSTOP)
        try:
            return [_ask(port)[0] * 1000 for _ in range(rounds) for port, _ in sites]
        finally:
            os.kill(server, signal.SIGCONT)


def _fill(store: RedisStore, live: int) -> None:
    """Have four processes hold so many events."""
    ids = [f"event-{number}" for number in range(live)]
    for process in range(PROCESSES):
        own = ids[process::PROCESSES]
        for seq, start in enumerate(range(0, len(own), AT_ONCE), 1):
            held = {e: Held(3, f"{e}-0", 30_000, 3) for e in own[start : start + AT_ONCE]}
            store.report(f"holder-{process}", seq, LEASE, held, full=seq == 1)


def _scrape(redis: Redis, port: int, pid: int) -> Figures:
    """Scrape one process, with everything that reaches Redis meanwhile on record."""
    with commands(redis) as found:
        busy = cpu(pid)
        took, page = _ask(port)
        busy = cpu(pid) - busy
    return {
        "ms": took * 1000,
        "cpu": busy * 1000,
        "KiB": len(page) / 1024,
        "sent": len(found.sent),
        "commands": len(found.ran),
    }


def _ask(port: int) -> tuple[float, bytes]:
    """Return the seconds that a page took, and the page."""
    request = Request(f"http://127.0.0.1:{port}/metrics", headers={"Accept": ACCEPT})
    began = time.perf_counter()
    with urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
        page = answer.read()
    took = time.perf_counter() - began
    if b"# EOF" not in page:
        raise RuntimeError(f"no OpenMetrics page: {page[:200]!r}")
    return took, page
