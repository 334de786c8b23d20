"""The alert rules, tried by ``promtool test rules``."""

from __future__ import annotations

from pathlib import Path

import pytest

from grafana.build import alerts, rules
from grafana.build.alerts import ALERTS

from . import cases_burn, cases_causes, cases_symptoms
from .promtool import tried

GRAFANA = Path(rules.__file__).parents[1]
CASES = (*cases_symptoms.CASES, *cases_causes.CASES, *cases_burn.CASES)
RULES = (GRAFANA / rules.FILE, GRAFANA / alerts.FILE)


@pytest.mark.parametrize("name", [alert.name for alert in ALERTS])
def test_an_alert_fires_when_it_must_and_not_beside_it(name: str, tmp_path: Path) -> None:
    """Each fires after its pending time, says what is meant, is silent beside it, resolves."""
    cases = [case for case in CASES if case.alert == name]
    assert cases
    if complaint := tried(tmp_path, cases, RULES):
        pytest.fail(complaint)
