"""Unit tests of rules as ``promtool test rules`` runs them, each made from a :class:`Case`."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from grafana.build.alert import PREFIX
from grafana.build.alerts import ALERTS

from ..conftest import missing

#: Two web processes, which show the same figures.
INSTANCES = ("a:8000", "b:8000")
GROUPS = ("streamend-totals", "streamend-slo", "streamend-symptoms", "streamend-causes")
OVERVIEW = "http://localhost:3000/d/streamend-overview"


@dataclass(frozen=True)
class Fires:
    """A firing alert as it must be, annotations included.

    :param labels: all but ``alertname``.
    :param link: the variables in its link to the dashboard.
    """

    summary: str
    description: str
    labels: Mapping[str, str]
    link: str = "var-job=live"


@dataclass(frozen=True)
class Case:
    """One group of unit tests: series, and which of an alert fires when.

    :param alert: its name without prefix; empty: all alerts.
    :param says: what is shown.
    :param series: values by series.
    :param checks: by second: what fires.
    :param every: seconds between samples, and between evaluations.
    :param expressions: each with a second, and its value then by its labels.
    """

    alert: str
    says: str
    series: Mapping[str, str]
    checks: Mapping[int, Sequence[Fires]]
    every: int = 15
    expressions: Sequence[tuple[str, int, Mapping[str, float]]] = ()

    def group(self) -> dict[str, Any]:
        """Return the group as promtool reads it."""
        names = [self.alert] if self.alert else [alert.name for alert in ALERTS]
        return {
            "name": f"{self.alert or 'everything'}: {self.says}",
            "interval": f"{self.every}s",
            "input_series": [{"series": s, "values": values} for s, values in self.series.items()],
            "alert_rule_test": [
                {
                    "eval_time": f"{at}s",
                    "alertname": PREFIX + name,
                    "exp_alerts": [_expected(PREFIX + name, one) for one in fires],
                }
                for at, fires in sorted(self.checks.items())
                for name in names
            ],
            "promql_expr_test": [
                {
                    "expr": expr,
                    "eval_time": f"{at}s",
                    "exp_samples": [{"labels": k, "value": v} for k, v in samples.items()],
                }
                for expr, at, samples in self.expressions
            ],
        }


def _expected(name: str, fires: Fires) -> dict[str, Any]:
    return {
        "exp_labels": dict(fires.labels),
        "exp_annotations": {
            "summary": fires.summary,
            "description": fires.description,
            "dashboard_url": f"{OVERVIEW}?{fires.link}",
            "runbook_url": f"docs/runbook.md#{name.lower()}",
        },
    }


def steps(until: int, changes: Mapping[int, float], every: int = 15) -> str:
    """Return a series' values.

    :param until: seconds for which it has samples.
    :param changes: its value from a second on.
    """
    value, values = 0.0, []
    for at in range(0, until + 1, every):
        value = max(((t, v) for t, v in changes.items() if t <= at), default=(0, value))[1]
        values.append(f"{value:.12g}")
    return " ".join(values)


def both(name: str, values: str, **labels: str) -> dict[str, str]:
    """Return a metric as each of the two processes shows it."""
    rest = "".join(f',{label}="{value}"' for label, value in labels.items())
    return {f'{name}{{job="live",instance="{one}"{rest}}}': values for one in INSTANCES}


def up(until: int, every: int = 15) -> dict[str, str]:
    """Return: both processes reach the store."""
    return both("streamend_store_up", steps(until, {0: 1}, every))


def gauge(
    name: str, changes: Mapping[int, float], until: int = 900, every: int = 15, **labels: str
) -> dict[str, str]:
    """Return a gauge, alike on both processes."""
    return both(f"streamend_{name}", steps(until, changes, every), **labels)


def counter(
    name: str, changes: Mapping[int, float], until: int = 900, every: int = 15, **labels: str
) -> dict[str, str]:
    """Return a counter, alike on both processes, which reach the store."""
    values = steps(until, changes, every)
    return {**up(until, every), **both(f"streamend_{name}_total", values, **labels)}


def write(file: Path, cases: Iterable[Case], rules: Iterable[Path]) -> None:
    """Write cases as one of promtool's test files; all have the same interval.

    :param rules: the rule files they are about.
    """
    found = list(cases)
    (every,) = {case.every for case in found}
    data = {
        "rule_files": [str(one) for one in rules],
        "evaluation_interval": f"{every}s",
        "group_eval_order": list(GROUPS),
        "tests": [case.group() for case in found],
    }
    file.write_text(yaml.dump(data), encoding="utf-8")


def run(*args: str) -> subprocess.CompletedProcess[str]:
    """Run promtool; skip, or in CI fail, where it is missing."""
    program = shutil.which("promtool")
    if program is None:
        missing("promtool", "apt-get install prometheus")
    return subprocess.run(
        # What else is being tested meanwhile waits for events, and goes first.
        ["nice", program or "", *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def tried(folder: Path, cases: Iterable[Case], rules: Iterable[Path]) -> str:
    """Run cases in one go; return what promtool complains of: nothing, where all pass."""
    by_interval: dict[int, list[Case]] = {}
    for case in cases:
        by_interval.setdefault(case.every, []).append(case)
    files = []
    for every, found in by_interval.items():
        files.append(folder / f"every-{every}.yml")
        write(files[-1], found, rules)
    done = run("test", "rules", *map(str, files))
    return "" if done.returncode == 0 else done.stdout + done.stderr
