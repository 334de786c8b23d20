"""What a viewer costs: connect rate, CPU and memory, beside bare flask-sock and others.

Each round starts every site afresh, one gunicorn worker each, and visits one after another, again
and again, in an order that is drawn anew: what else the machine does falls on all of them. A ratio
is always between two sites of the same round.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from tests.servers import eventually

from .contestants import SERVERS, SITES
from .figures import spread, summary, table
from .parts import Parts
from .readings import cpu, descriptors, memory, still, threads

#: Whom a ratio is taken to: bare endpoints, without and with flask-sock's ping.
FLOORS = ("bare flask-sock", "bare flask-sock, ping")
#: What is compared.
MEASURED = ("rate", "cpu", "life", "kib")
SHORT = {"rounds": 1, "repeats": 1, "viewers": 200}
#: Viewers who come and go before anything is measured: imports, caches, pools.
WARM_UP = 50


@dataclass(frozen=True)
class Sample:
    """One site's figures in one round.

    :param rate: connections a second.
    :param cpu: the server's CPU for each connection's beginning, in microseconds.
    :param life: the same for its beginning and end.
    :param kib: memory of each idle connection.
    :param threads: OS threads of each.
    :param client: share of a core the client used: far below 1, it was not the limit.
    """

    rate: float
    cpu: float
    life: float
    kib: float
    threads: float
    client: float


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument("--rounds", type=int, default=5, help="pairs a ratio is made of")
    parser.add_argument("--viewers", type=int, default=500, help="connections at once")
    parser.add_argument("--repeats", type=int, default=3, help="times they connect, each round")
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=list(SERVERS))
    parser.add_argument("--sites", nargs="+", choices=SITES, default=list(SITES))


def measure(options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Return the figures and the tables."""
    figures: dict[str, Any] = {}
    tables = []
    with Parts() as parts:
        redis_url = parts.redis()
        for server in options.servers:
            samples: dict[str, list[Sample]] = defaultdict(list)
            for number in range(options.rounds):
                for name, sample in _round(options, server, number, redis_url).items():
                    samples[name].append(sample)
            ordered = {name: samples[name] for name in options.sites}
            figures[server] = _figures(ordered)
            tables += _tables(server, options, ordered)
    return figures, tables


def _round(
    options: argparse.Namespace, server: str, number: int, redis_url: str
) -> dict[str, Sample]:
    """Start every site, have viewers connect to one after the other, and that some times."""
    with Parts() as parts:
        sites = [
            _Site(parts, server, name, f"round-{number}-{place}", redis_url)
            for place, name in enumerate(options.sites)
        ]
        for repeat in range(options.repeats):
            # Drawn, not turned: who always comes after the same one is measured with its traces.
            for site in Random(f"{number}-{repeat}").sample(sites, len(sites)):  # noqa: S311 - no secret
                site.visit(str(repeat), options.viewers)
        return {site.name: site.sample(options.repeats * options.viewers) for site in sites}


class _Site:
    """One site in one round, warmed up.

    :param own: its namespace and queue: it does not look after what others left in Redis.
    """

    def __init__(self, parts: Parts, server: str, name: str, own: str, redis_url: str) -> None:
        self.name = name
        site = SITES[name]
        self._event = site.event
        port, self._pid = parts.site(
            site.factory, site.config(server, redis_url, own, 60), *SERVERS[server]
        )
        self._client = parts.client(port, site.protocol)
        self._client.open(self._events("warm", WARM_UP))
        self._idle = descriptors(self._pid) - WARM_UP
        self._close()
        self._seconds = self._busy = self._life = self._client_busy = 0.0
        self._kib: float | None = None
        self._threads = 0.0

    def visit(self, tag: str, viewers: int) -> None:
        """Have viewers connect, stay a moment, and leave."""
        pid, client = self._pid, self._client
        before, memory_before, threads_before = cpu(pid), memory(pid), threads(pid)
        client_before = cpu(client.pid)
        self._seconds += client.open(self._events(tag, viewers))
        self._client_busy += cpu(client.pid) - client_before
        still(pid)
        self._busy += cpu(pid) - before
        if self._kib is None:
            # Later ones live partly in what the first left behind.
            self._kib = (memory(pid) - memory_before) / 1024 / viewers
            self._threads = (threads(pid) - threads_before) / viewers
        self._close()
        self._life += cpu(pid) - before

    def sample(self, count: int) -> Sample:
        """Return the figures of so many connections."""
        return Sample(
            rate=count / self._seconds,
            cpu=self._busy / count * 1e6,
            life=self._life / count * 1e6,
            kib=self._kib or 0.0,
            threads=self._threads,
            client=self._client_busy / self._seconds,
        )

    def _events(self, tag: str, count: int) -> list[str]:
        return [self._event.format(n=f"{tag}-{n}") for n in range(count)]

    def _close(self) -> None:
        self._client.close()
        most = self._idle + 12
        eventually(lambda: descriptors(self._pid) <= most, "the server has let go of its sockets")
        still(self._pid)


def _pairs(samples: Iterable[str]) -> list[tuple[str, str]]:
    """Return each site with each floor it is compared to."""
    names = list(samples)
    floors = [name for name in names if name in FLOORS]
    return [(name, floor) for floor in floors for name in names if name not in FLOORS]


def _ratios(samples: dict[str, list[Sample]], name: str, floor: str, what: str) -> list[float]:
    pairs = zip(samples[name], samples[floor], strict=True)
    return [getattr(one, what) / getattr(other, what) for one, other in pairs]


def _figures(samples: dict[str, list[Sample]]) -> dict[str, Any]:
    return {
        "samples": {name: [asdict(s) for s in rows] for name, rows in samples.items()},
        "summary": {
            name: {what: summary([getattr(s, what) for s in rows]) for what in MEASURED}
            for name, rows in samples.items()
        },
        "ratios": {
            f"{name} / {floor}": {
                what: summary(_ratios(samples, name, floor, what)) for what in MEASURED
            }
            for name, floor in _pairs(samples)
        },
    }


def _tables(
    server: str, options: argparse.Namespace, samples: dict[str, list[Sample]]
) -> list[str]:
    fields = {"rate": ".0f", "cpu": ".0f", "life": ".0f", "kib": ".1f", "threads": ".1f"}
    fields["client"] = ".2f"
    absolute = [
        [name, *(spread([getattr(s, f) for s in rows], form) for f, form in fields.items())]
        for name, rows in samples.items()
    ]
    head = ["site", "connections/s", "CPU µs", "CPU µs with end", "KiB each", "threads", "client"]
    ratios = [
        [f"{name} / {floor}"] + [spread(_ratios(samples, name, floor, f)) for f in MEASURED]
        for name, floor in _pairs(samples)
    ]
    how = f"{server}: {options.rounds} rounds of {options.repeats} x {options.viewers} viewers"
    return [
        table(f"{how}; median (lowest-highest)", head, absolute),
        table(f"{server}, ratios", ["pair", "rate", "CPU", "CPU with end", "memory"], ratios),
    ]
