"""The dashboards that are checked in, as their tests read them: panels, queries, PromQL."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser as promql

from flask_streamend.telemetry import names

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "grafana"

Json = dict[str, Any]

#: What Grafana puts in for its macros and variables, or something like it.
FILLED_IN = {"$__rate_interval": "1m", "$__range": "1h", "$job": "site", "$instance": "a:1"}
FILLED_IN |= {"$queue": "default", "$event": "jam"}


@cache
def dashboards() -> dict[str, Json]:
    """Return every dashboard by the name of its file."""
    files = sorted((FOLDER / "dashboards").glob("*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


NAMES = sorted(dashboards())


def panels(dashboard: Json) -> list[Json]:
    """Return every panel, those of closed rows too, without the rows."""
    found = [p for one in dashboard["panels"] for p in (one, *one.get("panels", ()))]
    return [panel for panel in found if panel["type"] != "row"]


def asking(dashboard: Json) -> list[Json]:
    """Return every panel that shows data."""
    return [panel for panel in panels(dashboard) if panel["targets"]]


@dataclass(frozen=True)
class Expression:
    """PromQL on a dashboard.

    :param place: the panel's or mark's title, or the variable's name.
    :param raw: as it is written, with Grafana's macros.
    """

    place: str
    raw: str
    instant: bool

    @property
    def text(self) -> str:
        """Return it with the macros filled in."""
        text = self.raw
        for name, value in FILLED_IN.items():
            text = re.sub(rf"{re.escape(name)}(?!\w)", value, text)
        assert "$" not in text, f"{self.place}: {text}"
        return text

    def nodes(self) -> list[tuple[promql.Expr, tuple[promql.Expr, ...]]]:
        """Return every node of it, each with those that it lies in, the outermost first."""
        found: list[tuple[promql.Expr, tuple[promql.Expr, ...]]] = []
        above: list[promql.Expr] = []

        def enter(node: promql.Expr) -> None:
            found.append((node, tuple(above)))
            above.append(node)

        def leave(_node: promql.Expr) -> None:
            above.pop()

        promql.walk(promql.parse(self.text), enter, leave)
        return found


def queries(dashboard: Json) -> list[Expression]:
    """Return the PromQL of every panel."""
    return [
        Expression(panel["title"], target["expr"], target["instant"])
        for panel in panels(dashboard)
        for target in panel["targets"]
        if target["datasource"]["type"] == "prometheus"
    ]


def expressions(dashboard: Json) -> list[Expression]:
    """Return the PromQL of every panel, mark and variable."""
    marks = dashboard["annotations"]["list"]
    asked = [v["query"]["query"] for v in dashboard["templating"]["list"] if v["type"] == "query"]
    chosen = [re.fullmatch(r"label_values\((.+), \w+\)", one) for one in asked]
    return [
        *queries(dashboard),
        *(Expression(mark["name"], mark["target"]["expr"], False) for mark in marks),
        *(Expression("a variable", found[1], True) for found in chosen if found),
    ]


def samples(metric: names.Gauge) -> list[str]:
    """Return the names of a metric's samples."""
    if isinstance(metric, names.Histogram):
        return [f"{metric.name}_{part}" for part in ("bucket", "count", "sum")]
    return [f"{metric.name}_total" if metric.kind == "counter" else metric.name]


METRICS = {sample: metric for metric in names.ALL for sample in samples(metric)}
#: What Prometheus makes by itself.
OF_PROMETHEUS = {"ALERTS", "ALERTS_FOR_STATE", "scrape_duration_seconds"}
BURN = re.compile(r"job:streamend_notices_(told:increase|late:increase|late:ratio)(\d+[mhd])")


def base_of(series: str) -> str:
    """Return the metric's sample that a recorded series is made of, else the name itself."""
    return re.sub(r"^job:(\w+):max$", r"\1", series)


def walk(value: Any, seen: Callable[[str, Any], None], key: str = "") -> None:
    """Call with every key and its value, at any depth."""
    seen(key, value)
    if isinstance(value, dict):
        for name, inner in value.items():
            walk(inner, seen, name)
    elif isinstance(value, list):
        for inner in value:
            walk(inner, seen, key)
