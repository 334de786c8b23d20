"""What a viewer costs: connect rate, CPU and memory, against bare flask-sock endpoints.

Each round starts every site afresh, one gunicorn worker each, and measures one after another in an
order that turns with the round, so that what else the machine does falls on all of them. A ratio is
always between two sites of the same round.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

from tests.servers import eventually

from .figures import spread, summary, table
from .parts import Parts
from .readings import cpu, descriptors, memory, threads

SERVERS = {
    "gevent": ("-k", "gevent", "--worker-connections", "4000"),
    "gthread": ("-k", "gthread", "--threads", "600"),
}
#: By its name: the site, its settings, and the event that viewer number n watches.
SITES: dict[str, tuple[str, dict[str, Any], str]] = {
    "floor": ("floor", {}, "one"),
    "floor, ping": ("floor", {"SOCK_SERVER_OPTIONS": {"ping_interval": 25}}, "one"),
    "streamend, one event": ("extension", {}, "one"),
    "streamend, many events": ("extension", {}, "event-{n}"),
}
FLOORS = ("floor", "floor, ping")
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


def measure(options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Return the figures and the tables."""
    figures: dict[str, Any] = {}
    tables = []
    with Parts() as parts:
        redis_url = parts.redis()
        for server in options.servers:
            samples: dict[str, list[Sample]] = defaultdict(list)
            names = list(SITES)
            for number in range(options.rounds):
                turn = number % len(names)
                for name in names[turn:] + names[:turn]:
                    samples[name].append(_sample(options, server, name, redis_url))
            figures[server] = _figures(samples)
            tables += _tables(server, options, samples)
    return {"connect": figures}, tables


def _sample(options: argparse.Namespace, server: str, name: str, redis_url: str) -> Sample:
    site, config, event = SITES[name]
    if site == "extension":
        config = {**config, "STREAMEND_REDIS_URL": redis_url, "STREAMEND_DELAY": 60}
    with Parts() as parts:
        port, pid = parts.site(site, config, *SERVERS[server])
        client = parts.client(port)
        client.open([event.format(n=f"warm-{n}") for n in range(WARM_UP)])
        idle = descriptors(pid) - WARM_UP
        _close(client.close, pid, idle)
        seconds = busy = life = client_busy = kib = more_threads = 0.0
        for repeat in range(options.repeats):
            events = [event.format(n=f"{repeat}-{n}") for n in range(options.viewers)]
            before, memory_before, threads_before = cpu(pid), memory(pid), threads(pid)
            client_before = cpu(client.pid)
            took = client.open(events)
            seconds += took
            client_busy += cpu(client.pid) - client_before
            _still(pid)
            busy += cpu(pid) - before
            if repeat == 0:
                # Later ones live partly in what the first left behind.
                kib = (memory(pid) - memory_before) / 1024 / options.viewers
                more_threads = (threads(pid) - threads_before) / options.viewers
            _close(client.close, pid, idle)
            life += cpu(pid) - before
        count = options.viewers * options.repeats
        return Sample(
            rate=count / seconds,
            cpu=busy / count * 1e6,
            life=life / count * 1e6,
            kib=kib,
            threads=more_threads,
            client=client_busy / seconds,
        )


def _still(pid: int) -> None:
    """Wait until a process has nothing left to do."""
    time.sleep(0.1)

    def idle() -> bool:
        before = cpu(pid)
        time.sleep(0.1)
        return cpu(pid) - before < 0.005

    eventually(idle, "the server is idle")


def _close(close: Any, pid: int, idle: int) -> None:
    close()
    eventually(lambda: descriptors(pid) <= idle + 12, "the server has let go of its sockets")
    _still(pid)


def _ratios(samples: dict[str, list[Sample]], name: str, floor: str, what: str) -> list[float]:
    pairs = zip(samples[name], samples[floor], strict=True)
    return [getattr(one, what) / getattr(other, what) for one, other in pairs]


def _figures(samples: dict[str, list[Sample]]) -> dict[str, Any]:
    return {
        "samples": {name: [asdict(s) for s in rows] for name, rows in samples.items()},
        "ratios": {
            f"{name} / {floor}": {
                what: summary(_ratios(samples, name, floor, what))
                for what in ("rate", "cpu", "life", "kib")
            }
            for name in samples
            for floor in FLOORS
            if name not in FLOORS
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
        [f"{name} / {floor}"]
        + [spread(_ratios(samples, name, floor, f)) for f in ("rate", "cpu", "life", "kib")]
        for floor in FLOORS
        for name in samples
        if name not in FLOORS
    ]
    how = f"{server}: {options.rounds} rounds of {options.repeats} x {options.viewers} viewers"
    return [
        table(f"{how}; median (lowest-highest)", head, absolute),
        table(f"{server}, ratios", ["pair", "rate", "CPU", "CPU with end", "memory"], ratios),
    ]
