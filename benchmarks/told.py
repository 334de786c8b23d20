"""From the last viewer's leaving to the mail, beside what else an application might do.

How late is counted from the instant at which the viewer hung up, and the grace period after it, so
that it is the same for everybody: nobody but this package knows when an end is due.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from typing import Any

from tests.servers import eventually

from . import sink
from .contestants import SERVERS, SITES
from .figures import quantile, spread, summary, table
from .parts import Parts

#: By its name: the site, and the worker that mails.
TEAMS = {
    "flask_streamend, `flask streamend worker`": (
        "flask_streamend, many events",
        "flask streamend worker",
    ),
    "RQ and a counter, `rq worker`": ("RQ and a counter", "rq worker --with-scheduler"),
    "RQ and a counter, loaded before the forks": (
        "RQ and a counter",
        "rq, loaded before its forks",
    ),
    "Flask-SocketIO and RQ, loaded before the forks": (
        "Flask-SocketIO and RQ",
        "rq, loaded before its forks",
    ),
}
#: By its name: how many events end, and over how many seconds their viewers leave.
SCENES = {"200 over 4 s": (200, 4.0), "200 at once": (200, 0.0)}
#: Seconds of grace: longer than the leaves take.
DELAY = 5.0
#: Seconds within which all must be told.
PATIENCE = 300.0

FIELDS = ("earliest", "p50", "p99", "latest", "mails/s")
SHORT = {"rounds": 1, "scenes": ["200 at once"]}
Figures = dict[str, float]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument("--rounds", type=int, default=5, help="times each is measured")
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=list(SCENES))


def measure(options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Return the figures and the table."""
    found: dict[tuple[str, str], list[Figures]] = defaultdict(list)
    teams = list(TEAMS)
    for number in range(options.rounds):
        turn = number % len(teams)
        for team in teams[turn:] + teams[:turn]:
            for scene, one in _team(*TEAMS[team], options.scenes).items():
                found[team, scene].append(one)
    figures = {
        team: {
            scene: {f: summary([one[f] for one in found[team, scene]]) for f in FIELDS}
            for scene in options.scenes
        }
        for team in TEAMS
    }
    rows = [
        [scene, team, *(spread([one[f] for one in found[team, scene]], ".2f") for f in FIELDS)]
        for scene in options.scenes
        for team in TEAMS
    ]
    title = (
        f"From hanging up and {DELAY:g} s of grace to the mail server's acceptance, in seconds; one"
        f" web process (gunicorn gevent), one worker; {options.rounds} rounds, median"
        " (lowest-highest); below 0: told too early."
    )
    head = ["scene", "who", *FIELDS]
    return figures, [table(title, head, rows)]


def _team(site_name: str, worker: str, scenes: list[str]) -> dict[str, Figures]:
    """Run all scenes with one site and its worker."""
    site = SITES[site_name]
    with Parts() as parts:
        redis_url = parts.redis()
        smtp_port, accepted = parts.sink()
        config = site.config("gevent", redis_url, "team", DELAY)
        config |= {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": smtp_port}
        port, _ = parts.site(site.factory, config, *SERVERS["gevent"])
        parts.worker(worker, config)
        client = parts.client(port, site.protocol)

        def scene(name: str, count: int, seconds: float) -> Figures:
            ids = [f"{name}-{n}" for n in range(count)]
            client.open(ids)
            left = dict(zip(ids, client.close(seconds), strict=True))

            at = eventually(lambda: sink.all_of(accepted, name, count), f"{count} mails", PATIENCE)
            late = sorted(at[event] - left[event] - DELAY for event in ids)
            took = max(at.values()) - min(at.values())
            return {
                "earliest": late[0],
                "p50": quantile(late, 0.5),
                "p99": quantile(late, 0.99),
                "latest": late[-1],
                "mails/s": (count - 1) / took if took else 0.0,
            }

        scene("warm-up", 3, 0.0)
        return {name: scene(f"scene{n}", *SCENES[name]) for n, name in enumerate(scenes)}
