"""A real Prometheus, with the rules that ship, made quick: what takes minutes takes seconds."""

from __future__ import annotations

import json
import re
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from grafana.build import alerts, rules

from ..apps.pages import ROOT
from ..conftest import missing
from ..servers import Process, accepts, eventually, free_port

FOLDER = ROOT / "grafana"
#: Seconds between scrapes, and between evaluations of the rules.
SCRAPE = 2
JOB = "live"
#: Seconds that pending times take, and what the alerts' windows and limits in seconds become.
WAIT = 2
WINDOWS = {"1m": "5s", "5m": "10s", "10m": "30s", "15m": "30s", "1h": "40s"}
LIMITS = {"_seconds) > 300": "_seconds) > 6"}

#: A series by its labels, without the name.
Labels = frozenset[tuple[str, str]]


def labels(**values: str) -> Labels:
    """Return labels as a series has them."""
    return frozenset(values.items())


def quick(folder: Path) -> Path:
    """Write all files as they ship, but with short intervals, windows and pending times.

    :returns: the folder with the rule files.
    """
    for file in (rules.FILE, alerts.FILE):
        data = yaml.safe_load((FOLDER / file).read_text(encoding="utf-8"))
        for group in data["groups"]:
            group["interval"] = f"{SCRAPE}s"
            for rule in group["rules"]:
                if "for" in rule:
                    rule["for"] = f"{WAIT}s"
                if "alert" in rule:
                    rule["expr"] = _hurried(rule["expr"])
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(yaml.dump(data), encoding="utf-8")
    return folder


def _hurried(expr: str) -> str:
    for old, new in LIMITS.items():
        expr = expr.replace(old, new)
    return re.sub(r"\[(\w+)\]", lambda found: f"[{WINDOWS.get(found[1], found[1])}]", expr)


class Prometheus:
    """A server that scrapes sites, each of which is an instance of one job.

    :param ports: the sites'.
    """

    def __init__(self, folder: Path, ports: Sequence[int]) -> None:
        program = shutil.which("prometheus")
        if program is None:
            missing("prometheus", "apt-get install prometheus")
        quick(folder)
        config = yaml.safe_load((FOLDER / "prometheus" / "prometheus.yml").read_text())
        every = f"{SCRAPE}s"
        config["global"] = {"scrape_interval": every, "evaluation_interval": every}
        del config["alerting"]
        (job,) = config["scrape_configs"]
        job |= {"job_name": JOB, "scrape_timeout": every}
        job["static_configs"] = [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
        file = folder / "prometheus" / "prometheus.yml"
        file.write_text(yaml.dump(config))
        self._port = free_port()
        self.process = Process(
            [
                program or "",
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
                "--enable-feature=exemplar-storage",
            ],
            folder / "prometheus.log",
        )

    def ready(self) -> None:
        """Wait until it answers."""
        eventually(lambda: accepts(self._port), "Prometheus listens")
        eventually(lambda: self._answers("/-/ready"), "Prometheus is ready")

    def _answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=10):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return False

    def ask(self, path: str, **parameters: Any) -> Any:
        """Return an answer of its API.

        :raises AssertionError: with its words, where it refuses.
        """
        query = urllib.parse.urlencode(parameters)
        address = f"http://127.0.0.1:{self._port}/api/v1/{path}?{query}"
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                return json.loads(answer.read())["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def instant(self, expr: str, at: float | None = None) -> dict[Labels, float]:
        """Return an expression's value at a time, now where none is given."""
        data = self.ask("query", query=expr, time=at or time.time())
        if data["resultType"] == "scalar":
            return {labels(): float(data["result"][1])}
        return {_labels(one["metric"]): float(one["value"][1]) for one in data["result"]}

    def over(self, expr: str, start: float, end: float) -> dict[Labels, list[float]]:
        """Return an expression's values over a time, a second apart."""
        data = self.ask("query_range", query=expr, start=start, end=end, step=SCRAPE)
        return {
            _labels(one["metric"]): [float(value) for _, value in one["values"]]
            for one in data["result"]
        }

    def exemplars(self, expr: str, start: float, end: float) -> Iterator[dict[str, Any]]:
        """Yield each exemplar of an expression's series: labels, value, timestamp."""
        for one in self.ask("query_exemplars", query=expr, start=start, end=end):
            yield from one["exemplars"]

    def clock(self) -> float:
        """Return the time by its clock."""
        (now,) = self.instant("time()").values()
        return now

    def firing(self, at: float | None = None) -> set[str]:
        """Return the names of alerts that fire, without prefix."""
        found = self.instant('ALERTS{alertstate="firing"}', at)
        return {dict(one)["alertname"].removeprefix("Streamend") for one in found}


def _labels(metric: dict[str, str]) -> Labels:
    return frozenset((name, value) for name, value in metric.items() if name != "__name__")
