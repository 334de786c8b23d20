"""A million viewers: what one Redis bears of 500 web processes that hold them.

The processes are simulated, with the real code of everything but the sockets (see
:mod:`benchmarks.processes`); the Redis is real. For what it is asked to do in a simulated second it
may take longer: the CPU it needs for that says whether it would keep up.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from redis import Redis

from flask_streamend.store.base import Change
from tests.servers import eventually

from .figures import quantile, table
from .parts import Parts
from .processes import Processes
from .readings import cpu, spent

#: Simulated seconds until it is at rest, at rest, and of the churn.
SETTLING, RESTING, CHURNING = 4.0, 20.0, 3.0
#: By its name: whether an event's viewers all come to one process.
PLACINGS = {"wherever": False, "one process for an event": True}
#: Times an act is done.
REPEATS = 50

SHORT = {"share": 0.01}
Figures = dict[str, float]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument("--share", type=float, default=1.0, help="of all that follows")
    parser.add_argument("--viewers", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=500)
    parser.add_argument("--joins", type=int, default=10_000, help="a second, and as many leaves")


def measure(options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Return the figures and the tables."""
    size = {
        name: max(1, int(getattr(options, name) * options.share))
        for name in ("viewers", "events", "processes", "joins")
    }
    found = {}
    for name, sticky in PLACINGS.items():
        with Parts() as parts:
            found[name] = _Scene(parts, size, sticky).figures()
    title = (
        f"{size['viewers']:,} viewers of {size['events']:,} events at {size['processes']:,} web"
        " processes"
    )
    figures: dict[str, Any] = {"size": size, **found}
    kinds = {
        "memory": f"{title}: what lies in Redis.",
        "load": f"What Redis has to do in a second; churn: {size['joins']:,} come and as many leave"
        " in each. CPU: % of one core; at more than 100 it can't keep up.",
        "acts": "For how many ms of its CPU one act keeps Redis; in brackets the longest.",
    }
    return figures, [_table(kind, words, found) for kind, words in kinds.items()]


def _table(kind: str, title: str, found: dict[str, dict[str, Figures]]) -> str:
    rows = [
        [what, *(_shown(found[place][kind], what) for place in found)]
        for what in next(iter(found.values()))[kind]
        if not what.endswith(", longest")
    ]
    return table(title, ["viewers of an event are at", *found], rows)


def _shown(figures: Figures, what: str) -> str:
    longest = figures.get(f"{what}, longest")
    digits = 0 if figures[what] >= 100 else 2
    shown = f"{figures[what]:,.{digits}f}"
    return shown if longest is None else f"{shown} ({longest:,.2f})"


class _Scene:
    """One Redis and its processes."""

    def __init__(self, parts: Parts, size: dict[str, int], sticky: bool) -> None:
        self._redis = parts.enter_context(Redis.from_url(parts.redis()))
        server = self._redis.info("server")
        self._pid = int(server["process_id"])
        # A store that is new in a Redis that just started waits: it may have been emptied by that.
        eventually(lambda: self._redis.info("server")["uptime_in_seconds"] >= 5, "Redis is not new")
        self._size = size
        self._world = Processes(self._redis, size["processes"], size["events"], sticky)

    def figures(self) -> dict[str, Figures]:
        """Return what was found: memory, load and single acts."""
        with self._world.at_work():
            acts = self._fill()
            memory = self._memory()
            self._world.run(SETTLING, 0.0)  # each hears what it shares with others: once
            load = self._load("at rest", RESTING, 0.0)
            load |= self._load("churn", CHURNING, self._size["joins"])
            acts |= self._acts()
        return {"memory": memory, "load": load, "acts": acts}

    def _fill(self) -> Figures:
        for _ in range(self._size["viewers"]):
            self._world.join()
        took = [self._ms(there.flush) for there, _ in self._world.processes]
        return {**_times("a process reports all it holds", took), "all of them do": sum(took)}

    def _memory(self) -> Figures:
        memory = self._redis.info("memory")
        used = memory["used_memory"]
        return {
            "MiB": used / 2**20,
            "MiB of the process": memory["used_memory_rss"] / 2**20,
            "bytes a viewer": used / self._size["viewers"],
            "bytes an event": used / self._size["events"],
        }

    def _load(self, name: str, seconds: float, rate: float) -> Figures:
        self._redis.config_resetstat()
        quiet, before = self._last_gap(), cpu(self._pid)
        self._world.run(seconds, rate)
        busy = cpu(self._pid) - before
        stats, scripts = self._redis.info("stats"), self._redis.info("commandstats")
        calls, usec = (scripts["cmdstat_evalsha"][key] for key in ("calls", "usec"))
        wire = stats["total_net_input_bytes"] + stats["total_net_output_bytes"]
        return {
            f"{name}: scripts": calls / seconds,
            f"{name}: µs a script": usec / calls,
            f"{name}: KiB both ways": wire / 1024 / seconds,
            f"{name}: CPU, %": busy / seconds * 100,
            # Where this machine stood still for seconds, all report anew: other figures.
            f"{name}: silences noticed (0, or measure again)": self._last_gap() != quiet,
        }

    def _last_gap(self) -> object:
        return self._redis.hget(self._world.store.keys.pulse, "from")

    def _acts(self) -> Figures:
        store, (first, *_) = self._world.store, self._world.processes
        found: Figures = {}
        acts: dict[str, Callable[[int], object]] = {
            "a beat": lambda _: first[1].beat(),
            "figures for a scrape of 1,000 events": lambda _: store.totals(1000),
            "figures for `/health`": lambda _: store.totals(0),
            "a look whether something is due": lambda _: store.look(None),
            "a stream is stopped": lambda n: store.finish(f"event-{n}", Change.STOPPED),
        }
        for name, act in acts.items():
            took = [self._ms(lambda act=act, n=n: act(n)) for n in range(REPEATS)]  # type: ignore[misc]
            found |= _times(name, took)
        dead = [there.holder for there, _ in self._world.processes[:5]]
        took = [self._ms(lambda who=who: store.reap(who, goodbye=True)) for who in dead]  # type: ignore[misc]
        return found | _times("a process that died is removed", took)

    def _ms(self, act: Callable[[], object]) -> float:
        return spent(self._pid, act)


def _times(name: str, took: list[float]) -> Figures:
    ordered = sorted(took)
    return {name: quantile(ordered, 0.5), f"{name}, longest": ordered[-1]}
