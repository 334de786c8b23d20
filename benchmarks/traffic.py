"""What a viewer's coming and going does to Redis: commands, and bytes on the wire.

Commands are counted by ``MONITOR``; bytes in a second pass without it, as it is traffic itself. A
process's beats in between are part of the figures: one command in two seconds.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from redis import Redis

from tests.commands import commands

from .contestants import SERVERS, SITES, Contestant
from .figures import summary, table
from .parts import Client, Parts
from .readings import still

#: Who takes part, by the name a reader knows it by.
TEAMS = {
    "flask_streamend": "flask_streamend, one event",
    "RQ and a counter": "RQ and a counter",
    "Flask-SocketIO and RQ": "Flask-SocketIO and RQ",
}
#: Seconds between two viewers who come one after the other: no report has both.
APART = 0.15
#: Seconds in which nothing is reported but what waits for others.
SETTLE = 0.5
#: Viewers in one event, and those who come and go by themselves.
CROWD, FEW = 500, 20

FIELDS = {"sent": ".2f", "ran": ".1f", "bytes": ".0f"}
SHORT = {"rounds": 1}
Figures = dict[str, float]
Act = Callable[[], object]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument("--rounds", type=int, default=5, help="times each is measured")


def measure(options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Return the figures and the table."""
    found: dict[str, dict[str, list[Figures]]] = {team: defaultdict(list) for team in TEAMS}
    for _ in range(options.rounds):
        for team, name in TEAMS.items():
            with Parts() as parts:
                for act, one in _acts(parts, SITES[name]).items():
                    found[team][act].append(one)
    figures = {
        team: {
            act: {f: summary([o[f] for o in ones]) for f in FIELDS} for act, ones in acts.items()
        }
        for team, acts in found.items()
    }
    rows = [
        [act, team, *(f"{figures[team][act][f]['median']:{form}}" for f, form in FIELDS.items())]
        for act in figures["flask_streamend"]
        for team in TEAMS
    ]
    title = (
        f"For each viewer, median of {options.rounds}; sent: commands that reached Redis; ran: with"
        " those that scripts ran there; bytes: both ways. Ends and their alarms included."
    )
    return figures, [table(title, ["what happens", "who", *FIELDS], rows)]


def _acts(parts: Parts, site: Contestant) -> dict[str, Figures]:
    """Have viewers come and go in each way, and return what each of them cost."""
    redis_url = parts.redis()
    config = site.config("gevent", redis_url, "traffic", 3600)
    port, pid = parts.site(site.factory, config, *SERVERS["gevent"])
    redis = parts.enter_context(Redis.from_url(redis_url))
    client = parts.client(port, site.protocol)
    client.open(["warm"] * 50)
    client.close(last=49)  # one stays: what a process does for its first viewer is done
    still(pid)
    found: dict[str, list[Figures]] = defaultdict(list)
    for watch in (_counted, _weighed):
        name = watch.__name__

        def note(act: str, count: int, do: Act, watch: Any = watch) -> None:
            def whole() -> None:
                do()
                time.sleep(SETTLE)
                still(pid)

            found[act].append({f: n / count for f, n in watch(redis, whole).items()})

        _visit(client, name, note)
        still(pid)
    return {act: {**ones[0], **ones[1]} for act, ones in found.items()}


def _visit(client: Client, name: str, note: Callable[[str, int, Act], None]) -> None:
    own, slowly = [f"{name}-{n}" for n in range(FEW)], FEW * APART
    note("alone in an event, comes", FEW, lambda: client.open(own, 1, APART))
    note("alone in an event, leaves", FEW, lambda: client.close(slowly, FEW))
    note("500 into one event at once", CROWD, lambda: client.open([f"{name}-crowd"] * CROWD))
    note("one more among 500", FEW, lambda: client.open([f"{name}-crowd"] * FEW, 1, APART))
    note("leaves 500 others", FEW, lambda: client.close(slowly, FEW))
    note("500 leave one event at once", CROWD, lambda: client.close(0.0, CROWD))


def _counted(redis: Redis, act: Act) -> Figures:
    """Return the commands of an act."""
    with commands(redis) as found:
        act()
    sent, ran = found.count
    return {"sent": sent, "ran": ran}


def _weighed(redis: Redis, act: Act) -> Figures:
    """Return the bytes of an act; less what asking for them takes."""
    own = -_bytes(redis) + _bytes(redis)
    before = _bytes(redis)
    act()
    return {"bytes": _bytes(redis) - before - own}


def _bytes(redis: Redis) -> int:
    stats = redis.info("stats")
    return int(stats["total_net_input_bytes"]) + int(stats["total_net_output_bytes"])
