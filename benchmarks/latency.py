"""From an event's due instant to the mail server's acceptance, in milliseconds.

The due instants are the store's own, from the ledger; the mail server notes when it took what. Both
read the clock of this machine.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis

from flask_streamend.store.redis import RedisStore
from tests.servers import eventually

from . import sink
from .contestants import SERVERS
from .figures import quantile, spread, summary, table
from .parts import Client, Parts
from .readings import cpu

#: By its name: which worker, and how many.
WORKERS = {
    "flask streamend worker": ("flask streamend worker", 1),
    "two flask streamend worker": ("flask streamend worker", 2),
    "rq worker": ("rq worker", 1),
    "rq worker -w flask_streamend.Worker": ("rq worker -w flask_streamend.Worker", 1),
}
#: By its name: how many events end, and over how many seconds their viewers leave.
SCENES = {"200 over 4 s": (200, 4.0), "200 at once": (200, 0.0), "1000 at once": (1000, 0.0)}
#: Seconds of grace: longer than the leaves take.
DELAY = 5.0
#: Seconds within which all must be told.
PATIENCE = 90.0

FIELDS = ("earliest", "p50", "p90", "p99", "latest", "span", "mails/s", "cpu")
SHORT = {"rounds": 1, "scenes": ["200 at once"], "workers": ["flask streamend worker"]}
Figures = dict[str, float]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument("--rounds", type=int, default=5, help="times each is measured")
    parser.add_argument("--workers", nargs="+", choices=WORKERS, default=list(WORKERS))
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=list(SCENES))


def measure(options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Return the figures and the table."""
    found: dict[tuple[str, str], list[Figures]] = defaultdict(list)
    for number in range(options.rounds):
        turn = number % len(options.workers)
        for kind in (*options.workers[turn:], *options.workers[:turn]):
            for scene, one in _with_worker(kind, options.scenes).items():
                found[kind, scene].append(one)
    figures: dict[str, Any] = {
        kind: {
            scene: {f: summary([one[f] for one in found[kind, scene]]) for f in FIELDS}
            for scene in options.scenes
        }
        for kind in options.workers
    }
    rows = [
        [scene, kind, *(spread([one[f] for one in found[kind, scene]], ".1f") for f in FIELDS)]
        for scene in options.scenes
        for kind in options.workers
    ]
    title = (
        f"From due to accepted, in ms; {options.rounds} rounds, median (lowest-highest); span: from"
        " the first to the last due instant; cpu: of the workers for each notice, without their"
        " forks."
    )
    head = ["scene", "worker", *FIELDS]
    return figures, [table(title, head, rows)]


def _with_worker(kind: str, scenes: list[str]) -> dict[str, Figures]:
    """Run all scenes with one worker."""
    with Parts() as parts:
        redis_url = parts.redis()
        smtp_port, accepted = parts.sink()
        config = {
            "STREAMEND_REDIS_URL": redis_url,
            "STREAMEND_DELAY": DELAY,
            "MAIL_SERVER": "127.0.0.1",
            "MAIL_PORT": smtp_port,
            "FRONTEND_URL": "https://live.example.org",
        }
        port, _ = parts.site("sites:extension", config, *SERVERS["gevent"])
        worker, count = WORKERS[kind]
        pids = [parts.worker(worker, config).popen.pid for _ in range(count)]
        client = parts.client(port)
        redis = parts.enter_context(Redis.from_url(redis_url))
        store = RedisStore(redis, "streamend")
        _scene(client, store, accepted, "warm-up", 3, 0.0, lambda: 0.0)
        return {
            scene: _scene(
                *(client, store, accepted, f"scene{n}", *SCENES[scene]),
                lambda: sum(map(cpu, pids)),
            )
            for n, scene in enumerate(scenes)
        }


def _scene(
    client: Client,
    store: RedisStore,
    accepted: Path,
    name: str,
    count: int,
    seconds: float,
    busy: Callable[[], float],
) -> Figures:
    """Have a number of events end, and return how late they were told."""
    client.open([f"{name}-{n}" for n in range(count)])
    eventually(lambda: store.totals(0).clients == count, "all viewers are counted")
    client.close(seconds)
    before = busy()

    at = eventually(lambda: sink.all_of(accepted, name, count), f"{count} mails", PATIENCE)
    eventually(lambda: store.totals(0).ending == 0, "nothing is left to end")
    spent = busy() - before
    due = {r.event_id: r.due_at for r in store.records(10_000) if r.event_id.startswith(name)}
    late = sorted((at[event_id] - due[event_id]) * 1000 for event_id in due)
    return {
        "earliest": late[0],
        "p50": quantile(late, 0.5),
        "p90": quantile(late, 0.9),
        "p99": quantile(late, 0.99),
        "latest": late[-1],
        "span": (max(due.values()) - min(due.values())) * 1000,
        "mails/s": (count - 1) / (max(at.values()) - min(at.values())),
        "cpu": spent / count * 1000,
    }
