"""What a reader wants to know first, from all that was measured: the tables at the pages' tops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .figures import table

Measured = dict[str, Any]
Row = list[str]

#: Share of all cores that others use from which on a machine counts as busy.
BUSY = 0.1
#: Who is compared, in the order of the columns, by their names in each measurement.
FLOOR = "bare flask-sock, ping"
COUNTER, ROOMS = "RQ and a counter", "Flask-SocketIO and RQ"
SITES = ("flask_streamend, one event", COUNTER, ROOMS)
TEAMS = (
    "flask_streamend, `flask streamend worker`",
    f"{COUNTER}, loaded before the forks",
    f"{ROOMS}, loaded before the forks",
)
VISITED = ("flask_streamend", COUNTER, ROOMS)


def busy(measured: Measured) -> bool:
    """Return whether the machine had something else to do during a measurement."""
    return bool(measured["others"] > BUSY)


def performance(measured: Measured) -> str:
    """Return the table at the top of the page on performance."""
    rows = [row for part in (_viewer, _told, _redis, _rest) for row in part(measured)]
    head = ["", "flask_streamend", "flask-sock, RQ and a counter", "Flask-SocketIO and RQ"]
    return _table("What it costs, and what it would cost otherwise: medians.", head, rows) + _doubt(
        measured
    )


def scaling(measured: Measured) -> str:
    """Return the table at the top of the page on scaling."""
    found = measured.get("scale", {}).get("figures")
    if not found:
        return "Not measured yet."
    size = found["size"]
    places = [name for name in found if name != "size"]
    joins = size["joins"]
    rows: list[tuple[str, Callable[[Any], str]]] = [
        ("Redis's memory for all of it, MiB", lambda f: f"{f['memory']['MiB']:,.0f}"),
        ("Redis's CPU at rest, % of a core", lambda f: f"{f['load']['at rest: CPU, %']:.1f}"),
        (
            f"Redis's CPU where {joins:,} come and as many leave in a second",
            lambda f: f"{f['load']['churn: CPU, %']:.0f}",
        ),
        (
            "comings, and as many leavings, a second at half a core",
            lambda f: f"{joins * 50 / f['load']['churn: CPU, %']:,.0f}",
        ),
        (
            "all processes report all they hold, s",
            lambda f: f"{f['acts']['all of them do'] / 1000:.1f}",
        ),
    ]
    title = (
        f"{size['viewers']:,} viewers of {size['events']:,} events, {size['processes']:,} web"
        " processes, one Redis."
    )
    head = ["viewers of an event come", *places]
    said = [[what, *(say(found[p]) for p in places)] for what, say in rows]
    return _table(title, head, said) + _doubt({"scale": measured["scale"]})


def _doubt(measured: Measured) -> str:
    """Return a warning where some figures were taken beside other work."""
    if not any(map(busy, measured.values())):
        return ""
    return (
        "\n\n**Some of these were measured on a busy machine: counts and ratios hold, times are too"
        " long.** Each table below says what it was taken on."
    )


def _table(title: str, head: Row, rows: list[Row]) -> str:
    return table(title, head, rows) if rows else "Not measured yet."


def _viewer(measured: Measured) -> Iterator[Row]:
    """Yield what a viewer costs, beside a bare flask-sock endpoint with its ping."""
    for server, found in measured.get("connect", {}).get("figures", {}).items():
        for what, words in (
            ("cpu", "CPU for a viewer who comes"),
            ("life", "CPU for one who comes and goes"),
            ("kib", "memory of an idle viewer"),
        ):
            yield [
                f"{words}, gunicorn {server}, bare flask-sock = 1",
                *(f"{found['ratios'][f'{name} / {FLOOR}'][what]['median']:.2f}" for name in SITES),
            ]


def _told(measured: Measured) -> Iterator[Row]:
    teams = measured.get("told", {}).get("figures", {})
    for scene in teams.get(TEAMS[0], ()):
        for what, words in (("p50", "told after it was due, median"), ("latest", "the last one")):
            yield [
                f"{scene}: {words}, s",
                *(f"{teams[name][scene][what]['median']:.2f}" for name in TEAMS),
            ]


def _redis(measured: Measured) -> Iterator[Row]:
    teams = measured.get("traffic", {}).get("figures", {})
    for act in teams.get(VISITED[0], ()):
        yield [
            f"{act}: commands sent for each",
            *(f"{teams[name][act]['sent']['median']:.2f}" for name in VISITED),
        ]


def _rest(measured: Measured) -> Iterator[Row]:
    idle = measured.get("rest", {}).get("figures", {}).get("idle", {})
    for who, share in idle.items():
        if "bare" not in who:
            yield [f"at rest, {who}: CPU, % of a core", f"{share['median']:.2f}", "", ""]
    scrape = measured.get("scrape", {}).get("figures", {}).get("10,000 events")
    if scrape:
        yield ["a scrape with 10,000 live events, ms", f"{scrape['ms']['median']:.0f}", "", ""]
