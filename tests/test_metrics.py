"""The metrics page: the same figures whoever answers, and what Prometheus thinks of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as open_metrics,
)
from prometheus_client.parser import text_string_to_metric_families as families

from flask_streamend.telemetry.names import ALL, OF_QUEUE

from .conftest import missing
from .ground import HELD, Ground
from .servers import Site, eventually

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture(scope="module")
def sites(ground: Ground) -> tuple[Site, Site]:
    """Return two processes of one application, and a worker that forks for each job."""
    first, second = ground.site(STREAMEND_DELAY=0.3), ground.site(STREAMEND_DELAY=0.3)
    ground.worker(first, "plain")
    return first, second


def figures(site: Site) -> dict[str, float]:
    """Return every sample of ours on a process's page, by its name with labels."""
    found = {}
    for family in families(site.get("/metrics")[1]):
        for sample in family.samples:
            if sample.name.startswith("streamend_"):
                labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
                found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def ended(ground: Ground, *sites: Site, events: int, prefix: str) -> None:
    """Have events end that are watched on each of these processes, and all hosts told."""
    names = [f"{prefix}{number}" for number in range(events)]
    viewers = [site.watch(name) for name in names for site in sites]
    for name in names:
        ground.wait(name, "live", len(sites))
    for viewer in viewers:
        viewer.close()
    for name in names:
        ground.told(name)


def test_each_metric_of_the_table_is_on_the_page(sites: tuple[Site, Site]) -> None:
    """Every family of the definition is there with its type and help, bounded labels as 0."""
    first, _ = sites
    found = {family.name: family for family in families(first.get("/metrics")[1])}
    for metric in ALL:
        family = found[metric.name]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        if metric.labels and all(values for _, values in metric.labels):
            shown = {tuple(s.labels[n] for n in metric.label_names) for s in family.samples}
            assert shown == set(metric.combinations()), metric.name


def test_processes_agree_and_count_what_a_fork_did(
    ground: Ground, sites: tuple[Site, Site]
) -> None:
    """Twenty ends told by a worker's forks are twenty on every process's page, balanced."""
    before = figures(sites[0])
    ended(ground, *sites, events=20, prefix="agree")

    def settled() -> bool:
        pages = [figures(site) for site in sites]
        return all(
            page["streamend_notifications_total{channel=email,status=sent}"]
            - before["streamend_notifications_total{channel=email,status=sent}"]
            == 20
            # The last host is told before the worker has seen its fork end.
            and page["streamend_workers{queue=default,state=idle}"] == 1
            for page in pages
        )

    eventually(settled, "both show twenty, and a worker that waits for the next")
    first, second = (figures(site) for site in sites)
    own = {"streamend_last_sweep_timestamp_seconds{}"}
    differ = {k for k in first if first[k] != second.get(k) and k not in own}
    assert differ <= {k for k in first if k.startswith("streamend_queue_jobs")}
    for name in ("sessions", "deliveries"):
        assert first[f"streamend_{name}_unaccounted{{}}"] == 0
    for name, count in {
        "streamend_notification_latency_seconds_count{channel=email}": 20,
        "streamend_send_duration_seconds_count{channel=email}": 20,
        "streamend_event_duration_seconds_count{}": 20,
        "streamend_event_peak_clients_bucket{le=2.0}": 20,
        "streamend_event_peak_clients_bucket{le=1.0}": 0,
        "streamend_grace_periods_total{result=ended}": 20,
    }.items():
        assert first[name] - before[name] == count, name
    assert first["streamend_processes{}"] == 2
    assert first["streamend_workers{queue=default,state=idle}"] == 1
    assert first["streamend_store_up{}"] == 1
    assert not [name for name in first if "agree" in name]


def test_an_event_in_its_grace_shows_when_it_ends(ground: Ground, sites: tuple[Site, Site]) -> None:
    """A live event has its viewers, one in its grace its due instant, an ended one nothing."""
    site = sites[1]
    ground.store.hold(HELD)
    viewer = site.watch("grace")
    ground.wait("grace", "live", 1)
    assert figures(site)["streamend_event_clients{event_id=grace}"] == 1
    assert "streamend_event_due_timestamp_seconds{event_id=grace}" not in figures(site)
    viewer.close()
    due = ground.wait("grace", "ending", 0).due_at
    page = figures(site)
    assert page["streamend_event_clients{event_id=grace}"] == 0
    assert page["streamend_event_due_timestamp_seconds{event_id=grace}"] == due
    assert page["streamend_paused{reason=hold}"] == 1
    ground.store.hold(0)
    ground.told("grace")
    page = figures(site)
    assert not [name for name in page if "event_id=grace" in name]
    assert page["streamend_paused{reason=hold}"] == 0


def test_open_metrics_carry_exemplars(ground: Ground, sites: tuple[Site, Site]) -> None:
    """Asked for OpenMetrics, the latency histogram names the event of a bucket's last notice."""
    ended(ground, sites[0], events=1, prefix="shown")
    request = urllib.request.Request(
        f"http://127.0.0.1:{sites[1].port}/metrics", headers={"Accept": OPEN_METRICS}
    )
    with urllib.request.urlopen(request, timeout=10) as page:
        assert page.headers["Content-Type"].startswith("application/openmetrics-text")
        text = page.read().decode()
    found = {family.name: family for family in open_metrics(text)}
    samples = found["streamend_notification_latency_seconds"].samples
    named = {s.exemplar.labels["event_id"]: s for s in samples if s.exemplar is not None}
    exemplar = named["shown0"].exemplar
    assert exemplar is not None
    assert 0 < exemplar.value <= float(named["shown0"].labels["le"])


def test_promtool_finds_nothing_wrong(sites: tuple[Site, Site]) -> None:
    """Names, units, types and help texts of ours are as Prometheus wants them."""
    promtool = shutil.which("promtool")
    if promtool is None:
        missing("promtool", "apt-get install prometheus")
        return
    ours = [
        line
        for line in sites[0].get("/metrics")[1].splitlines()
        if line.split()[2 if line.startswith("#") else 0].startswith("streamend_")
    ]
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input="\n".join(ours) + "\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_exporter_s_multi_process_mode_shows_them_too(ground: Ground, tmp_path: Path) -> None:
    """With PROMETHEUS_MULTIPROC_DIR the page has ours and the exporter's own, by name too."""
    site = ground.site(env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PATH": os.environ["PATH"]})
    viewer = site.watch("shared")
    ground.wait("shared", "live", 1)
    assert figures(site)["streamend_event_clients{event_id=shared}"] == 1
    text = site.get("/metrics")[1]
    assert "flask_http_request_duration_seconds_bucket" in text
    assert (
        len([line for line in text.splitlines() if line.startswith("# HELP streamend_clients")])
        == 1
    )
    by_name = site.get("/metrics?name[]=streamend_clients")[1]
    assert "streamend_clients " in by_name
    assert "flask_http" not in by_name
    viewer.close()
    ground.told("shared")
    assert {metric.name for metric in OF_QUEUE} <= {f.name for f in families(text)}
