"""The rule files: made from the code, sound, complete, each alert with its section to read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flask_streamend import cli
from flask_streamend.telemetry.names import ALL
from grafana.build import alerts, rules
from grafana.build.alert import Links
from grafana.build.alerts import ALERTS

from ..apps.pages import ROOT, headings, prose_of, text_of
from .promtool import run
from .reading import dashboards, panels

GRAFANA = ROOT / "grafana"
RUNBOOK = ROOT / "docs" / "runbook.md"
FILES = (rules.FILE, alerts.FILE)
MAKE = "from pathlib import Path; import sys; from grafana.build import alerts, rules\n"
MAKE += "for one in (rules, alerts): one.write(Path(sys.argv[1]))"


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_files_are_those_of_the_code(seed: str, tmp_path: Path) -> None:
    """The code writes, byte for byte and whatever the hashes, what is checked in."""
    env = {**os.environ, "PYTHONHASHSEED": seed}
    subprocess.run([sys.executable, "-c", MAKE, tmp_path], cwd=ROOT, env=env, check=True)
    for file in FILES:
        made, kept = (tmp_path / file).read_bytes(), (GRAFANA / file).read_bytes()
        assert made == kept, "python -m grafana.build"


def test_promtool_finds_nothing_wrong() -> None:
    """Both files are rules as Prometheus reads them."""
    done = run("check", "rules", *(str(GRAFANA / file) for file in FILES))
    assert done.returncode == 0, done.stderr
    assert re.findall(r"SUCCESS: (\d+)", done.stdout) == ["32", str(len(ALERTS))]


def test_every_metric_that_rules_name_is_one() -> None:
    """No rule waits for a metric that was renamed, or for a record that nobody makes."""
    parts = ("", "_total", "_bucket", "_count")
    known = {metric.name + part for metric in ALL for part in parts}
    texts = [(GRAFANA / file).read_text() for file in FILES]
    recorded = {rule["record"] for group in rules.groups() for rule in group["rules"]}
    for text in texts:
        exprs = [
            rule["expr"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]
        ]
        for expr in exprs:
            assert set(re.findall(r"job:\w+:\w+", expr)) <= recorded
            assert set(re.findall(r"(?<![:\w])streamend_\w+", expr)) <= known


def test_links_lead_where_they_are_told_to() -> None:
    """Grafana's and the runbook's address can be set; labels in links are escaped."""
    links = Links("https://grafana.example.org", "https://wiki.example.org/live")
    for group in alerts.groups(links):
        for rule in group["rules"]:
            texts = rule["annotations"]
            assert texts["dashboard_url"].startswith("https://grafana.example.org/d/streamend-")
            assert texts["runbook_url"] == f"{links.runbook}#{rule['alert'].lower()}"
            variables = texts["dashboard_url"].split("?")[1]
            assert all("| urlquery }}" in one for one in variables.split("&"))


def test_every_alert_says_how_many() -> None:
    """Each description carries the figure; that of a hold or of no figures has none."""
    without = {alert.name for alert in ALERTS if "$value" not in alert.description}
    assert without == {"NoMetrics", "HeldLong"}


def test_the_runbook_has_a_section_for_each_alert_and_no_other() -> None:
    """A heading is an alert's name, in the order of the rules, and says four things."""
    found = [heading for heading in headings(RUNBOOK) if heading.startswith("Streamend")]
    assert found == [alert.full_name for alert in ALERTS]
    for section in re.split(r"^## ", prose_of(RUNBOOK), flags=re.MULTILINE)[1:]:
        name = section.partition("\n")[0]
        if name in found:
            for part in ("Meaning", "Impact", "Diagnosis", "Mitigation"):
                assert section.count(f"*{part}:*") == 1, (name, part)


def test_what_alerts_and_the_runbook_point_to_is_there() -> None:
    """Panels they name by title are on the overview; commands are those of ``flask streamend``."""
    runbook = " ".join(text_of(RUNBOOK).split())
    titles = {panel["title"] for panel in panels(dashboards()["streamend-overview"])}
    for text in (runbook, *(alert.description for alert in ALERTS)):
        named = set(re.findall(r'"([A-Z][\w ,:]+)"', text))
        assert named <= titles
        commands = set(re.findall(r"flask (?:--app app )?streamend (\w+)", text))
        assert commands <= set(cli.streamend.commands)
    assert "What stops notices" in runbook
