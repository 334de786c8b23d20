"""Alerts with one thing wrong: each must be noticed by a unit test of that alert."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from grafana.build import rules
from grafana.build.alert import Alert, Links
from grafana.build.dumping import write_groups

#: A comparison and its limit, in the original's own words.
_LIMIT = re.compile(
    r"(?P<sign>[<>=]=?|==) (?P<factor>[\d.]+ \* )?(?P<number>[\d.]+)$", re.MULTILINE
)
_WINDOW = re.compile(r"\[(?P<number>\d+)(?P<unit>[mhd])\]")
_SELECTOR = re.compile(r"\{[^}]*\}")
_RECORD = re.compile(r"job:\w+(?::\w+)?")
#: A clause in brackets, with the operator on the line before it.
_HALF = re.compile(r"\n(?:or|and|unless)\n\(\n.*?\n\)", re.DOTALL)
_CLAUSE = re.compile(r"\n *(?:or|and|unless) \S.*")


def mutants(alert: Alert) -> Iterator[tuple[str, Alert]]:
    """Yield each mutant with what was done to it."""
    yield "taken out", replace(alert, expr="vector(0) > 1")
    yield (
        "another severity",
        replace(alert, severity="info" if alert.severity != "info" else "critical"),
    )
    yield (
        "fires at once" if alert.wait else "waits",
        replace(alert, wait="" if alert.wait else "1m"),
    )
    if alert.wait:
        number, unit = alert.wait[:-1], alert.wait[-1]
        yield "waits twice as long", replace(alert, wait=f"{2 * int(number)}{unit}")
    for pattern in (_CLAUSE, _HALF, _SELECTOR):
        for found in pattern.finditer(alert.expr):
            yield _cut(alert, found, "", "without")
    for found in re.finditer(r"\babs\(", alert.expr):
        yield _cut(alert, found, "(", "without")
    for found in re.finditer(r"\bmax by.*", alert.expr):
        # A sum is 0 where the greatest is.
        if not found[0].endswith("== 0") and not re.search(
            r"^(and|unless).*> 0$", _line(alert, found)
        ):
            yield _cut(alert, found, f"sum{found[0][3:]}", "sum for")
    for found in _WINDOW.finditer(alert.expr):
        minutes = int(found["number"]) * {"m": 1, "h": 60, "d": 1440}[found["unit"]]
        for seconds in (90 * minutes, 40 * minutes):
            yield _cut(alert, found, f"[{seconds}s]", f"{seconds} s for")
    for found in _LIMIT.finditer(alert.expr):
        for number in _beside(found["number"], found["factor"], "increase" in _line(alert, found)):
            text = found[0].replace(found["factor"] or "\0", f"{number} * ")
            if not found["factor"]:
                text = f"{found['sign']} {number}"
            yield _cut(alert, found, text, f"{text} for")


def _line(alert: Alert, found: re.Match[str]) -> str:
    return alert.expr[alert.expr.rfind("\n", 0, found.start()) + 1 :].partition("\n")[0]


def _beside(number: str, factor: str | None, counts: bool) -> tuple[str, str]:
    """Return limits a little beside this one: the next whole count, else 30 % off."""
    if factor:
        value = float(factor.removesuffix(" * "))
        return f"{value * 1.3:g}", f"{value / 1.3:g}"
    value = float(number)
    if value in (0, 1) or (counts and number.endswith(".5")):
        return f"{value + 1:g}", f"{value - 1:g}"
    return f"{value * 1.3:g}", f"{value / 1.3:g}"


def _cut(alert: Alert, found: re.Match[str], text: str, what: str) -> tuple[str, Alert]:
    expr = alert.expr[: found.start()] + text + alert.expr[found.end() :]
    line = alert.expr[: found.start()].count("\n") + (found[0][0] != "\n")
    return f"line {line}, {what} {' '.join(found[0].split())}", replace(alert, expr=expr)


def write(folder: Path, alert: Alert) -> list[Path]:
    """Write rule files with one alert, and the records it needs.

    :returns: the files.
    """
    files = [folder / "rules.yml", folder / "alerts.yml"]
    write_groups(files[0], list(_needed(alert.expr)))
    rule = {"name": "streamend-symptoms", "interval": "15s", "rules": [alert.rule(Links())]}
    write_groups(files[1], [rule])
    return files


def _needed(expr: str) -> Iterator[dict[str, Any]]:
    groups = rules.groups()
    by_name = {rule["record"]: rule for group in groups for rule in group["rules"]}
    wanted: set[str] = set()
    left = set(_RECORD.findall(expr))
    while left:
        wanted |= left
        left = {n for name in left for n in _RECORD.findall(by_name[name]["expr"])} - wanted
    for group in groups:
        yield {**group, "rules": [rule for rule in group["rules"] if rule["record"] in wanted]}
