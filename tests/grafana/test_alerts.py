"""The alert rules, tried by ``promtool test rules``."""

from __future__ import annotations

from pathlib import Path

import pytest

from grafana.build import alerts, rules
from grafana.build.alerts import ALERTS

from . import cases_quiet
from .cases import CASES
from .promtool import Case, tried

GRAFANA = Path(rules.__file__).parents[1]
RULES = (GRAFANA / rules.FILE, GRAFANA / alerts.FILE)


@pytest.mark.parametrize("name", [alert.name for alert in ALERTS])
def test_an_alert_fires_when_it_must_and_not_beside_it(name: str, tmp_path: Path) -> None:
    """Each fires after its pending time, says what is meant, is silent beside it, resolves."""
    cases = [case for case in CASES if case.alert == name]
    assert cases
    if complaint := tried(tmp_path, cases, RULES):
        pytest.fail(complaint)


@pytest.mark.parametrize("case", cases_quiet.QUIET, ids=lambda case: case.says)
def test_no_alert_fires(case: Case, tmp_path: Path) -> None:
    """Of all alerts none fires where nothing, or little, is wrong."""
    if complaint := tried(tmp_path, [case], RULES):
        pytest.fail(complaint)


@pytest.mark.parametrize("case", cases_quiet.RECORDS, ids=lambda case: case.says)
def test_what_is_recorded_is_the_system_s_count(case: Case, tmp_path: Path) -> None:
    """Restarts of all processes, and a Redis that came back empty, change no increase."""
    if complaint := tried(tmp_path, [case], RULES):
        pytest.fail(complaint)
