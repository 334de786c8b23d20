"""Recording rules: one true copy of each counter, and how many hosts were told late.

Every process shows the same counters, so ``max`` over processes is the system's count. Recorded
before ``increase`` sees it: per process, ``increase`` begins anew with each restart, and a rolling
one would hide what was counted meanwhile. A process that is cut off shows what it last read, which
after Redis was emptied is more than the truth: only those that reach the store are taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask_streamend.telemetry import names

from . import expressions
from .dumping import write_groups

FILE = "prometheus/rules.yml"

#: Windows of the burn rates.
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
#: Of every application.
EVERY = ""


def told(window: str) -> str:
    """Return the name of: notices that were due and are settled, in time, late or given up."""
    return f"job:streamend_notices_told:increase{window}"


def late(window: str) -> str:
    """Return the name of: those of them that were not told in time."""
    return f"job:streamend_notices_late:increase{window}"


def ratio(window: str) -> str:
    """Return the name of: the late ones' part; nothing where none was due."""
    return f"job:streamend_notices_late:ratio{window}"


def recorded() -> dict[str, list[str]]:
    """Return each sample that is recorded, by its name, with its labels."""
    found = {f"{counter.name}_total": counter.label_names for counter in names.COUNTERS}
    for histogram in names.HISTOGRAMS:
        found[f"{histogram.name}_bucket"] = [*histogram.label_names, "le"]
    found[f"{expressions.LATENCY}_count"] = names.LATENCY_SECONDS.label_names
    return found


def groups() -> list[dict[str, Any]]:
    """Return the rule groups."""
    return [
        {"name": "streamend-totals", "interval": "15s", "rules": list(map(_total, recorded()))},
        {
            "name": "streamend-slo",
            "interval": "1m",
            "rules": [rule for window in WINDOWS for rule in _objective(window)],
        },
    ]


def _total(sample: str) -> dict[str, Any]:
    labels = ", ".join(["job", *recorded()[sample]])
    reaching = f"{sample} and on (job, instance) streamend_store_up == 1"
    return {
        "record": expressions.recorded(sample, where=EVERY),
        "expr": expressions.max_by(labels, reaching),
    }


def _objective(window: str) -> list[dict[str, Any]]:
    in_time = expressions.good(window, where=EVERY)
    return [
        {"record": told(window), "expr": expressions.told(window, where=EVERY)},
        {"record": late(window), "expr": f"{told(window)} - {in_time}"},
        {"record": ratio(window), "expr": f"{late(window)} / ({told(window)} > 0)"},
    ]


def write(directory: Path) -> None:
    """Write the recording rules under the directory of dashboards, rules and alerts."""
    write_groups(directory / FILE, groups())
