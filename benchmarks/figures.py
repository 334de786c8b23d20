"""Medians, spreads and tables."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Return the median of values and how far they spread."""
    return {
        "median": statistics.median(values),
        "low": min(values),
        "high": max(values),
        "values": list(values),
    }


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value that a share of an ordered sequence does not exceed."""
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """Return ``median (lowest-highest)``."""
    s = summary(values)
    return f"{s['median']:{form}} ({s['low']:{form}}-{s['high']:{form}})"


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, with its columns aligned for who reads it on a terminal."""
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in (head, ["-" * width for width in widths], *rows)
    ]
    return "\n".join([title, "", *lines])
