"""Grafana's own types take the dashboards: npm's ``@grafana/schema``, checked by TypeScript.

The kit that makes them checks no values, and Grafana drops what it does not know without a word.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..conftest import missing
from .reading import Json, dashboards, panels

PACKAGES = ("@grafana/schema@13.2.3", "typescript@7.0.2")
INSTALL = ("npm", "install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts")

#: Each kind of panel's module, and whether it has a type for a series' settings.
MODULES = {
    "bargauge": ("bargauge", "BarGauge", False),
    "heatmap": ("heatmap", "Heatmap", True),
    "stat": ("stat", "Stat", False),
    "state-timeline": ("statetimeline", "StateTimeline", True),
    "table": ("table", "Table", True),
    "text": ("text", "Text", False),
    "timeseries": ("timeseries", "TimeSeries", True),
}
PATH = "@grafana/schema/dist/esm/raw/composable/{0}/panelcfg/x/{1}PanelCfg_types.gen"

#: Types whose enums take the text they stand for, as JSON has it.
HEAD = """\
import type { AnnotationQuery, Dashboard, Panel, RowPanel } from "@grafana/schema";
type Plain<T> = T extends string ? `${T}`
  : T extends number | boolean | null | undefined ? T
  : T extends Array<infer U> ? Plain<U>[]
  : T extends object ? { [K in keyof T]: Plain<T[K]> }
  : T;
"""
#: A query's own fields are its data source's, and so is this one of a mark.
MARKS = "(AnnotationQuery<any> & { titleFormat: string })[]"
#: The compiler's own: strict, nothing written, only these packages.
OPTIONS = {"strict": True, "noEmit": True, "skipLibCheck": True, "types": [], "module": "esnext"}
OPTIONS |= {"moduleResolution": "bundler", "target": "es2022", "lib": ["es2022"]}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with Grafana's types and the compiler, as npm installs them by name."""
    if not shutil.which("npm"):
        missing("npm", "apt-get install nodejs npm")
    folder = tmp_path_factory.mktemp("types")
    (folder / "package.json").write_text('{"private": true}')
    config = {"compilerOptions": OPTIONS, "include": ["*.ts"]}
    (folder / "tsconfig.json").write_text(json.dumps(config))
    done = subprocess.run(
        [*INSTALL, *PACKAGES],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        missing(" and ".join(PACKAGES), f"npm could not install them: {done.stderr}")
    return folder


def literal(name: str, kind: str, value: object) -> str:
    """Return TypeScript that holds if a value is of a type."""
    return f"export const {name}: Plain<{kind}> = {json.dumps(value)};"


def literals(dashboard: Json) -> Iterator[str]:
    """Return TypeScript that holds if each part of a dashboard is of Grafana's type for it."""
    for kind, (folder, name, _) in MODULES.items():
        path = PATH.format(folder, name)
        yield f'import type * as {kind.replace("-", "_")} from "{path}";'
    whole = {k: v for k, v in dashboard.items() if k not in ("panels", "annotations")}
    yield literal("whole", 'Omit<Dashboard, "panels" | "annotations">', whole)
    yield literal("marks", MARKS, dashboard["annotations"]["list"])
    for panel in panels(dashboard):
        kind, number = panel["type"].replace("-", "_"), panel["id"]
        own = f"{kind}.FieldConfig" if MODULES[panel["type"]][2] else "Record<string, never>"
        custom = panel["fieldConfig"]["defaults"].get("custom", {})
        yield literal(f"panel{number}", "Panel", panel)
        yield literal(f"options{number}", f"{kind}.Options", panel["options"])
        yield literal(f"series{number}", f"Partial<{own}>", custom)
    for row in dashboard["panels"]:
        if row["type"] == "row":
            yield literal(f"row{row['id']}", "RowPanel", row)


def complaints(project: Path, name: str, dashboard: Json) -> str:
    """Return what the compiler has to say about a dashboard."""
    for old in project.glob("*.ts"):
        old.unlink()
    (project / f"{name}.ts").write_text(HEAD + "\n".join(literals(dashboard)) + "\n")
    tsc = project / "node_modules" / ".bin" / "tsc"
    done = subprocess.run(
        [str(tsc), "-p", "."],
        check=False,
        cwd=project,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout + done.stderr


def test_grafana_s_types_take_each_dashboard(project: Path) -> None:
    """The dashboard without its panels, each panel, its options and its series' settings."""
    for name, dashboard in dashboards().items():
        assert complaints(project, name, dashboard) == "", name


def broken(dashboard: Json, kind: str, *path: str, value: object) -> Json:
    """Return a copy in which something of the first panel of a kind is another value."""
    copy: Json = json.loads(json.dumps(dashboard))
    item = next(panel for panel in panels(copy) if panel["type"] == kind)
    for key in path[:-1]:
        item = item[key]
    item[path[-1]] = value
    return copy


SERIES = ("fieldConfig", "defaults", "custom")
MISTAKES: dict[str, tuple[str, tuple[str, ...], object]] = {
    "an option that is none": ("stat", ("options", "colour"), "value"),
    "an option's value that is none": ("stat", ("options", "colorMode"), "loud"),
    "a number as text": ("stat", ("gridPos", "x"), "0"),
    "a number for a list": ("stat", ("fieldConfig", "defaults", "thresholds", "steps"), 1),
    "a setting of a series that is none": ("timeseries", (*SERIES, "lineFat"), 1),
    "a setting's value that is none": ("timeseries", (*SERIES, "drawStyle"), "crayon"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_seen(project: Path, mistake: str) -> None:
    """Each planted mistake makes the compiler complain: the check checks."""
    kind, path, value = MISTAKES[mistake]
    dashboard = broken(dashboards()["streamend-overview"], kind, *path, value=value)
    assert "error TS" in complaints(project, "broken", dashboard)
