"""The pages with the figures: tables between marks, and a chart, of what was measured last.

``python -m benchmarks.page`` makes them anew from the figures that are kept.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from . import answers
from .chart import chart

ROOT = Path(__file__).parents[1]
KEPT = Path(__file__).with_name("measured.json")
CHART = ROOT / "docs" / "images" / "performance.svg"
PAGES = tuple(ROOT / "docs" / name for name in ("performance.md", "scaling.md"))

Measured = dict[str, Any]

ANSWERS = {"performance": answers.performance, "scaling": answers.scaling}

_PARTS = re.compile(r"(?<=<!-- measured: )(\w+)( -->\n\n).*?(?=\n\n<!-- end -->)", re.DOTALL)


def kept() -> dict[str, Measured]:
    """Return what was measured last, by the name of the measurement."""
    found: dict[str, Measured] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    return found


def keep(name: str, measured: Measured) -> None:
    """Keep what was measured, and make the pages of it."""
    KEPT.write_text(json.dumps({**kept(), name: measured}, indent=1) + "\n")
    make()


def origin(measured: Measured) -> str:
    """Return where figures come from, in one paragraph."""
    machine = measured["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    said = (
        f"`{measured['command']}` on {measured['on']}: {machine['cores']} cores,"
        f" {machine['system'].partition('-')[0]}, Python {machine['python']},"
        f" Redis {machine['redis']}, {packages}; others used {measured['others']:.0%} of the cores."
    )
    if answers.busy(measured):
        said += " **The machine was busy: read counts and ratios, not times.**"
    return said


def fresh(text: str, measured: dict[str, Measured]) -> str:
    """Return a page with its tables made anew."""

    def part(found: re.Match[str]) -> str:
        return f"{found[1]}{found[2]}{_part(found[1], measured)}"

    return _PARTS.sub(part, text)


def _part(name: str, measured: dict[str, Measured]) -> str:
    if name in ANSWERS:
        return ANSWERS[name](measured)
    if (one := measured.get(name)) is None:
        return "Not measured yet."
    return "\n\n".join([*one["tables"], origin(one)])


def make() -> None:
    """Write pages and chart."""
    measured = kept()
    for page in PAGES:
        page.write_text(fresh(page.read_text(encoding="utf-8"), measured), encoding="utf-8")
    CHART.write_text(chart(measured), encoding="utf-8")


if __name__ == "__main__":
    make()
