"""The Alertmanager example, on a real Alertmanager: who is told of what, and what silences what."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from grafana.build.alert import PREFIX, Alert, Links
from grafana.build.alerts import ALERTS

from ..apps.pages import ROOT
from ..conftest import missing
from ..servers import Mailbox, Process, accepts, eventually, free_port

CONFIG = ROOT / "grafana" / "alertmanager" / "alertmanager.yml"
RECEIVERS = {"critical": "pager", "warning": "tickets", "info": "nobody"}

#: By an alert: those of the same job that are not sent beside it.
SILENCED = {
    "StoreDown": {"StoreUnreachable", "NoWorker", "SchedulerSilent", "PresenceStuck", "Errors"},
    "ChannelDown": {"AttemptsFailing", "HostsWaiting", "LatencyBurn", "LatencyBurnSlow"},
    "HostsNotTold": {"HostsWaiting", "LatencyBurn", "LatencyBurnSlow"},
    "LatencyBurn": {"LatencyBurnSlow"},
}


def program(name: str) -> str:
    """Return a program's path; skip, or in CI fail, where it is missing."""
    found = shutil.which(name)
    if found is None:
        missing(name, "apt-get install prometheus-alertmanager")
    return found or ""


def amtool(*args: str) -> str:
    """Run amtool and return what it prints."""
    return subprocess.run(
        [program("amtool"), *args], capture_output=True, text=True, timeout=30, check=True
    ).stdout


class Alertmanager:
    """A real one, with the example's configuration.

    :param changes: texts in it that are another here.
    """

    def __init__(self, folder: Path, **changes: str) -> None:
        text = CONFIG.read_text()
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        config = folder / "alertmanager.yml"
        config.write_text(text)
        self._port = free_port()
        names = ("prometheus-alertmanager", "alertmanager")
        self.process = Process(
            [
                program(next((name for name in names if shutil.which(name)), names[0])),
                f"--config.file={config}",
                f"--storage.path={folder}",
                f"--web.listen-address=127.0.0.1:{self._port}",
                "--cluster.listen-address=",
            ],
            folder / "alertmanager.log",
        )

    def ready(self) -> None:
        """Wait until it answers."""
        eventually(lambda: accepts(self._port), "Alertmanager listens")

    def ask(self, alerts: Sequence[dict[str, Any]] | None = None) -> Any:
        """Return what it has, or give it alerts."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/api/v2/alerts",
            data=None if alerts is None else json.dumps(alerts).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or "null")

    def silenced(self, count: int) -> set[tuple[str, str]]:
        """Return job and alert of what is silenced, once it has this many alerts."""
        eventually(lambda: len(self.ask()) == count, f"it has {count} alerts")
        return {
            (one["labels"]["job"], one["labels"]["alertname"].removeprefix(PREFIX))
            for one in self.ask()
            if one["status"]["inhibitedBy"]
        }


def firing(alert: Alert, job: str, **labels: str) -> dict[str, Any]:
    """Return an alert as Prometheus sends it."""
    names = {name: "any" for name in alert.by}
    every = {"alertname": alert.full_name, "severity": alert.severity, **names, "job": job}
    return {"labels": {**every, **labels}, "annotations": alert.links(Links())}


Start = Callable[..., Alertmanager]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts one; keywords are changes to its configuration."""
    started: list[Alertmanager] = []

    def starting(**changes: str) -> Alertmanager:
        started.append(Alertmanager(tmp_path, **changes))
        started[-1].ready()
        return started[-1]

    yield starting
    for manager in started:
        manager.process.stop()


@pytest.fixture
def alertmanager(start: Start) -> Alertmanager:
    """Return one that runs with the example as it is."""
    return start()


def test_the_example_is_sound() -> None:
    """amtool reads it: a route, three receivers, five inhibitions."""
    said = amtool("check-config", str(CONFIG))
    for part in ("SUCCESS", "5 inhibit rules", "3 receivers"):
        assert part in said


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_goes_to_who_must_know(alert: Alert) -> None:
    """Critical ones page, warnings are tickets, the rest is only shown."""
    labels = [f"alertname={alert.full_name}", f"severity={alert.severity}", "job=live"]
    said = amtool("config", "routes", "test", f"--config.file={CONFIG}", *labels)
    assert said.strip() == RECEIVERS[alert.severity]


def test_which_alert_silences_which(alertmanager: Alertmanager) -> None:
    """Of every pair of alerts of one job just those that follow from each other are silenced."""
    pairs = list(permutations(ALERTS, 2))
    alertmanager.ask([firing(one, f"{a.name} {b.name}") for a, b in pairs for one in (a, b)])
    expected = {
        (f"{a.name} {b.name}", silenced)
        for a, b in pairs
        for source, silenced in ((a.name, b.name), (b.name, a.name))
        if silenced in SILENCED.get(source, ())
    }
    eventually(lambda: alertmanager.silenced(2 * len(pairs)) == expected, "just these are silenced")


def test_errors_of_the_channel_follow_from_its_outage(alertmanager: Alertmanager) -> None:
    """A channel that is down silences errors in that stage, not in another."""
    by_name = {alert.name: alert for alert in ALERTS}
    alertmanager.ask(
        [
            firing(by_name["ChannelDown"], "live"),
            firing(by_name["Errors"], "live", stage="channel"),
            firing(by_name["Errors"], "live", stage="hook"),
            firing(by_name["Errors"], "other", stage="channel"),
        ]
    )
    eventually(lambda: alertmanager.silenced(4) == {("live", "Errors")}, "one is silenced")
    stages = {
        one["labels"].get("stage") for one in alertmanager.ask() if one["status"]["inhibitedBy"]
    }
    assert stages == {"channel"}


def test_other_applications_are_not_silenced(alertmanager: Alertmanager) -> None:
    """Everything fires for one application and all that can be silenced for another: none is."""
    targets = set().union(*SILENCED.values()) - set(SILENCED)
    alertmanager.ask(
        [firing(alert, "live") for alert in ALERTS]
        + [firing(alert, "other") for alert in ALERTS if alert.name in targets]
    )
    silenced = set().union(*SILENCED.values())
    eventually(
        lambda: (
            alertmanager.silenced(len(ALERTS) + len(targets))
            == {("live", name) for name in silenced}
        ),
        "those of the one application are silenced",
    )


def test_a_page_is_one_mail_with_its_links(start: Start, mailbox: Mailbox) -> None:
    """Redis is away, and hosts were skipped before: a page and a ticket, none of what follows."""
    manager = start(
        **{"mailbox:1025": f"127.0.0.1:{mailbox.port}", "group_wait: 30s": "group_wait: 2s"},
    )
    told = {"oncall@example.org": "StoreDown", "team@example.org": "HostsSkipped"}
    wanted = {*told.values(), *SILENCED["StoreDown"]}
    manager.ask([firing(alert, "live") for alert in ALERTS if alert.name in wanted])
    for mail in mailbox.wait(2):
        name = PREFIX + told.pop(str(mail.message["To"]))
        assert "FIRING:1" in str(mail.message["Subject"])
        page = mail.text("html")
        assert f"alertname = {name}" in page
        assert f"docs/runbook.md#{name.lower()}" in page
    assert not told
