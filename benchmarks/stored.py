"""What live events cost in Redis: memory each, a process's beat, and finding what is due.

The events are put there by the store's own code, as web processes report them. Times are Redis's
own CPU, as it does one thing at a time.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from itertools import count
from statistics import median
from typing import Any

from redis import Redis

from flask_streamend.store.base import Held
from flask_streamend.store.redis import RedisStore
from tests.commands import commands
from tests.servers import eventually

from .figures import spread, summary, table
from .parts import Parts
from .readings import spent

#: Live events beside those that are due.
LIVE = (0, 1000, 10_000, 100_000)
DUE = 10
#: Milliseconds for which the store believes who reports: longer than a measurement.
LEASE = 3_600_000
#: Events in one report.
AT_ONCE = 500
#: Times an act is done, for the median of these.
REPEATS = 30

_visitors = count()
SHORT = {"rounds": 1, "live": [0, 1000]}
Figures = dict[str, float]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument("--rounds", type=int, default=5, help="times each is measured")
    parser.add_argument("--live", nargs="+", type=int, default=list(LIVE))


def measure(options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Return the figures and the table."""
    found: dict[int, list[Figures]] = defaultdict(list)
    for _ in range(options.rounds):
        for live in options.live:
            with Parts() as parts:
                found[live].append(_one(parts, live))
    fields = list(found[options.live[0]][0])
    figures = {
        str(live): {f: summary([one[f] for one in ones]) for f in fields}
        for live, ones in found.items()
    }
    rows = [
        [f"{live:,}", *(spread([o[f] for o in ones], ".0f") for f in fields)]
        for live, ones in found.items()
    ]
    title = (
        f"Beside {DUE} events that are due: µs of Redis's CPU for a process's beat, for a look"
        f" whether something is due, and for ending the {DUE}; commands these run there; bytes of"
        f" Redis's memory for each live event; {options.rounds} rounds, median (lowest-highest)."
    )
    return figures, [table(title, ["live events", *fields], rows)]


def fill(store: RedisStore, live: int, holders: int = 1, watching: int = 3) -> None:
    """Have processes hold so many events between them, each event in one."""
    ids = [f"event-{number}" for number in range(live)]
    for holder in range(holders):
        own = ids[holder::holders]
        for seq, start in enumerate(range(0, len(own), AT_ONCE), 1):
            held = {
                e: Held(watching, f"{hash(e) & (1 << 64) - 1:016x}", 30_000, watching)
                for e in own[start : start + AT_ONCE]
            }
            store.report(f"{holder:016x}", seq, LEASE, held, full=seq == 1)


def _one(parts: Parts, live: int) -> Figures:
    redis = parts.enter_context(Redis.from_url(parts.redis()))
    # A store that is new in a Redis that just started waits: it may have been emptied by that.
    eventually(lambda: int(redis.info("server")["uptime_in_seconds"]) >= 5, "Redis is not new")
    store = RedisStore(redis, "streamend")
    store.report("00", 1, LEASE, {"warm": Held(1, "s0", 3_600_000, 1)}, full=True)
    server = int(redis.info("server")["process_id"])
    before = redis.info("memory")["used_memory"]
    fill(store, live)
    each = (redis.info("memory")["used_memory"] - before) / live if live else 0.0
    acts: dict[str, Callable[[], object]] = {
        "beat": lambda: store.heartbeat("00", LEASE, 1),
        "look": lambda: store.look(None),
        f"claim {DUE}": lambda: store.claim(100),
    }
    figures: Figures = {"bytes each": each}
    for name, act in acts.items():
        act()  # the script is there
        took = []
        for _ in range(REPEATS):
            _make_due(store)
            took.append(spent(server, act) * 1000)
            store.claim(100)
        _make_due(store)
        with commands(redis) as ran:
            act()
        store.claim(100)
        figures[name] = median(took)
        figures[f"commands: {name}"] = len(ran.ran)
    return figures


def _make_due(store: RedisStore) -> None:
    """Have some events end."""
    names = [f"over-{number}" for number in range(DUE)]
    who = f"visitor-{next(_visitors)}"
    store.report(who, 1, LEASE, {n: Held(1, f"{n}-{who}", 0, 1) for n in names}, full=True)
    store.report(who, 2, LEASE, {n: Held(0, f"{n}-{who}", 0, 1) for n in names}, full=False)
    told = store.redis.zcard(store.keys.open)  # by nobody: those that were claimed before
    eventually(lambda: store.look(None).ready - told >= DUE, "they are due")
