"""The alert rules: symptoms that page, and causes that are tickets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .alert import Alert, Links
from .causes import CAUSES
from .dumping import write_groups
from .symptoms import SYMPTOMS

FILE = "alerts/alerts.yml"

ALERTS: tuple[Alert, ...] = (*SYMPTOMS, *CAUSES)


def groups(links: Links | None = None) -> list[dict[str, Any]]:
    """Return the rule groups."""
    links = links or Links()
    return [
        {
            "name": f"streamend-{name}",
            "interval": "15s",
            "rules": [alert.rule(links) for alert in alerts],
        }
        for name, alerts in (("symptoms", SYMPTOMS), ("causes", CAUSES))
    ]


def write(directory: Path, links: Links | None = None) -> None:
    """Write the alert rules under the directory of dashboards, rules and alerts.

    :param links: where Grafana and the runbook are.
    """
    write_groups(directory / FILE, groups(links))
