"""What this package costs where nothing happens: CPU at rest, and an application's weight.

At rest nobody comes or goes, and nobody asks for a page; pings, every 25 s, fall outside. The
weight is that of a Python with Flask, and of one whose application registers the package; beside
them one that imports what an application would need without it (flask-sock, RQ, Flask-Mail,
prometheus-flask-exporter).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import defaultdict
from typing import Any

from .contestants import SERVERS, SITES
from .figures import spread, summary, table
from .parts import Parts
from .readings import cpu

#: Viewers who watch, ten an event.
WATCHING = 500

SHORT = {"rounds": 1, "seconds": 4.0}

_FLASK = "from flask import Flask\napp = Flask('weight')\napp.config['SECRET_KEY'] = 'weight'\n"
WEIGHTS = {
    "Flask": _FLASK,
    "Flask and its parts": _FLASK
    + "import flask_mail, flask_sock, prometheus_flask_exporter, redis, rq\n"
    + "flask_sock.Sock(app), flask_mail.Mail(app), redis.Redis()\n"
    + "prometheus_flask_exporter.PrometheusMetrics(app)\n",
    "Flask and flask_streamend": _FLASK
    + "app.config['MAIL_DEFAULT_SENDER'] = 'live@example.org'\n"
    + "from flask_streamend import StreamEnd\nStreamEnd(app)\n",
}
_WEIGH = """
import json, time
began = time.perf_counter()
{program}
took = time.perf_counter() - began
status = open("/proc/self/smaps_rollup").read().splitlines()
(rss,) = (line.split()[1] for line in status if line.startswith("Rss:"))
print(json.dumps({{"ms": took * 1000, "MiB": int(rss) / 1024}}))
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument("--rounds", type=int, default=5, help="times each is measured")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long it rests")


def measure(options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Return the figures and the tables."""
    idle: dict[str, list[float]] = defaultdict(list)
    weights: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in WEIGHTS}
    for _ in range(options.rounds):
        for who, share in _idle(options.seconds).items():
            idle[who].append(share)
        for name, program in WEIGHTS.items():
            for field, figure in _weigh(program).items():
                weights[name][field].append(figure)
    figures = {
        "idle": {who: summary(shares) for who, shares in idle.items()},
        "weight": {
            name: {field: summary(values) for field, values in one.items()}
            for name, one in weights.items()
        },
    }
    rounds = f"{options.rounds} rounds, median (lowest-highest)"
    return figures, [
        table(
            f"CPU at rest, % of a core, over {options.seconds:g} s; {rounds}.",
            ["process", "CPU"],
            [[who, spread(shares)] for who, shares in idle.items()],
        ),
        table(
            f"A Python that has imported and made the application; {rounds}.",
            ["application", "ms", "MiB"],
            [
                [name, spread(one["ms"], ".0f"), spread(one["MiB"], ".1f")]
                for name, one in weights.items()
            ],
        ),
    ]


def _idle(seconds: float) -> dict[str, float]:
    """Return the share of a core that each process uses while nothing happens."""
    found: dict[str, float] = {}
    with Parts() as parts:
        redis_url = parts.redis()
        site, floor = SITES["flask_streamend, one event"], SITES["bare flask-sock, ping"]
        config = site.config("gevent", redis_url, "rest", 60)
        worker = parts.worker("flask streamend worker", config).popen.pid
        port, pid = parts.site(site.factory, config, *SERVERS["gevent"])
        floor_port, floor_pid = parts.site(
            floor.factory, floor.config("gevent", redis_url, "rest", 60), *SERVERS["gevent"]
        )
        client, floor_client = parts.client(port), parts.client(floor_port)
        # One viewer came and went: everything that starts late has started.
        client.open(["jam"])
        client.close()
        time.sleep(3.0)
        resting = {"web process, nobody watches": pid, "`flask streamend worker`": worker}
        found |= _shares(resting, seconds)
        events = [f"jam-{number // 10}" for number in range(WATCHING)]
        client.open(events)
        floor_client.open(events)
        time.sleep(3.0)
        watched = {
            f"web process, {WATCHING} watch": pid,
            f"bare flask-sock, {WATCHING} watch": floor_pid,
        }
        found |= _shares(watched, seconds)
    return found


def _shares(processes: dict[str, int], seconds: float) -> dict[str, float]:
    before = {who: cpu(pid) for who, pid in processes.items()}
    began = time.perf_counter()
    time.sleep(seconds)
    took = time.perf_counter() - began
    return {who: (cpu(pid) - before[who]) / took * 100 for who, pid in processes.items()}


def _weigh(program: str) -> dict[str, float]:
    """Run a program in a Python of its own; return what it took."""
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", _WEIGH.format(program=program)],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found
