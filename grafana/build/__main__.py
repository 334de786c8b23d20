"""Write what is generated: ``python -m grafana.build [DIR]``, else over what is checked in."""

from __future__ import annotations

import sys
from pathlib import Path

from . import alerts, event, overview, rules

HERE = Path(__file__).parents[1]
DASHBOARDS = (overview.DASHBOARD, event.DASHBOARD)


def write(directory: Path) -> None:
    """Write every generated file under a directory."""
    folder = directory / "dashboards"
    folder.mkdir(parents=True, exist_ok=True)
    for dashboard in DASHBOARDS:
        (folder / f"{dashboard.uid}.json").write_text(dashboard.text(), encoding="utf-8")
    rules.write(directory)
    alerts.write(directory)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if sys.argv[1:] else HERE)
