"""The unit tests of alerts are worth something: each notices what is done to its alert."""

from __future__ import annotations

from pathlib import Path

import pytest

from grafana.build import rules
from grafana.build.alert import Alert
from grafana.build.alerts import ALERTS

from .cases import CASES
from .cases_quiet import RECORDS
from .mutants import mutants, write
from .promtool import tried
from .reading import FOLDER


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_a_mistake_in_an_alert_is_noticed(alert: Alert, tmp_path: Path) -> None:
    """The alert, a guard, a selector taken out, a limit or a wait changed: a unit test fails."""
    cases = [case for case in CASES if case.alert == alert.name]
    assert tried(tmp_path, cases, write(tmp_path, alert)) == ""
    # One that notices is enough, and some take ten times as long as others.
    cases.sort(key=lambda case: max(case.checks) / case.every)
    unnoticed = []
    for number, (what, mutant) in enumerate(mutants(alert)):
        folder = tmp_path / str(number)
        folder.mkdir()
        files = write(folder, mutant)
        if not any(tried(folder, [case], files) for case in cases):
            unnoticed.append(what)
    assert not unnoticed


@pytest.mark.parametrize(
    ("old", "new"),
    [("max by", "sum by"), (" and on (job, instance) streamend_store_up == 1", "")],
    ids=["sum", "all processes"],
)
def test_a_mistake_in_a_record_is_noticed(old: str, new: str, tmp_path: Path) -> None:
    """Records that add processes up, or take one that is cut off, are found out."""
    text = (FOLDER / rules.FILE).read_text()
    assert old in text
    mutant = tmp_path / "mutant.yml"
    mutant.write_text(text.replace(old, new))
    assert tried(tmp_path, RECORDS, [mutant])
