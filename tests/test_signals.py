"""The signals an application may connect to, as a real site and a real worker send them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .apps.store import Web
from .ground import Ground
from .servers import Process, Site, eventually


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file the site and the worker write their signals to."""
    return tmp_path_factory.mktemp("signals") / "signals.jsonl"


@pytest.fixture(scope="module")
def site(ground: Ground, file: Path) -> Site:
    """Return a site with a receiver for each signal."""
    return ground.site(env={"SIGNALS": str(file)}, STREAMEND_RETRY_BACKOFF=0.1)


@pytest.fixture(scope="module")
def worker(ground: Ground, site: Site) -> Process:
    """Return a worker of that site, whose application has the same receivers."""
    return ground.worker(site)


def heard(file: Path, event_id: str) -> list[dict[str, Any]]:
    """Return an event's signals so far, in the order they came."""
    lines = file.read_text().splitlines() if file.exists() else []
    found = [json.loads(line) for line in lines]
    return [line for line in found if line["what"]["event_id"] == event_id]


def names(file: Path, event_id: str) -> list[str]:
    """Return the names of an event's signals so far."""
    return [line["signal"] for line in heard(file, event_id)]


def wait(file: Path, event_id: str, last: str) -> list[dict[str, Any]]:
    """Wait for a signal and return the event's so far."""
    eventually(lambda: last in names(file, event_id), f"{last} of {event_id}")
    return heard(file, event_id)


def hook_errors(site: Site) -> float:
    """Return the failures of receivers, as the metrics page has them."""
    value = site.metric('streamend_errors_total{stage="hook"}')
    assert value is not None
    return value


def test_each_signal_of_a_session(site: Site, worker: Process, file: Path) -> None:
    """From the first viewer to the notice each signal comes once, in order, with its fields."""
    first = site.watch("jam")
    wait(file, "jam", "viewer_joined")
    first.close()
    wait(file, "jam", "event_ending")
    back = site.watch("jam")
    wait(file, "jam", "event_resumed")
    back.close()
    found = wait(file, "jam", "notification_sent")
    assert [(line["signal"], line["what"]["clients"]) for line in found] == [
        ("event_started", 1),
        ("viewer_joined", 1),
        ("viewer_left", 0),
        ("event_ending", 0),
        ("event_resumed", 1),
        ("viewer_joined", 1),
        ("viewer_left", 0),
        ("event_ending", 0),
        ("event_ended", 0),
        ("notification_sent", 0),
    ]
    assert all(line["app"] for line in found), "the sender is the application"
    every = {"event_id", "session", "clients", "at"}
    figures = {"started_at", "duration", "peak", "unique_viewers"}
    for line in found:
        assert set(line["what"]) == every | (figures if line["signal"] == "event_ended" else set())
    assert len({line["what"]["session"] for line in found}) == 1
    at = [line["what"]["at"] for line in found]
    assert at[:8] == sorted(at[:8])
    assert at[8] >= at[7] + 1, "the end is the last leave and the delay"


def test_ends_are_told_in_the_process_that_claims_them(
    site: Site, worker: Process, file: Path
) -> None:
    """Viewers' signals come from the web process, those of the end from the worker."""
    site.watch("where").close()
    by_signal = {line["signal"]: line["pid"] for line in wait(file, "where", "notification_sent")}
    assert by_signal["event_ended"] == by_signal["notification_sent"] == worker.popen.pid
    assert by_signal["viewer_joined"] == by_signal["event_ending"] != worker.popen.pid


def test_a_crowd_is_told_one_by_one(site: Site, worker: Process, file: Path) -> None:
    """Each of many viewers who come and go at once is told, and the event's start once."""
    viewers = [site.watch("crowd") for _ in range(10)]
    for viewer in viewers:
        viewer.close()
    wait(file, "crowd", "event_ending")
    found = names(file, "crowd")
    assert found.count("viewer_joined") == found.count("viewer_left") == 10
    assert found.count("event_started") == 1


def test_a_stop_is_told_with_who_was_there(site: Site, worker: Process, file: Path) -> None:
    """A stopped stream's end is told, and says how many were still watching."""
    site.watch("stopped")
    wait(file, "stopped", "viewer_joined")
    site.get("/over/end_event/stopped")
    wait(file, "stopped", "notification_sent")
    ended = [line["what"] for line in heard(file, "stopped") if line["signal"] == "event_ended"]
    assert [what["clients"] for what in ended] == [1]


def test_who_a_stop_let_go_of_left_that_session(
    site: Site, worker: Process, file: Path, ground: Ground
) -> None:
    """Viewers whose sockets a stop closed are told as gone from it, not from the next session."""
    viewers = [site.watch("let-go") for _ in range(3)]
    ground.wait("let-go", "live", 3)
    site.get("/over/end_event/let-go")
    wait(file, "let-go", "notification_sent")
    site.watch("let-go").close()
    wait(file, "let-go", "event_ending")
    left = [line for line in heard(file, "let-go") if line["signal"] == "viewer_left"]
    first, second = dict.fromkeys(line["what"]["session"] for line in heard(file, "let-go"))
    assert [line["what"]["session"] for line in left] == [first] * 3 + [second]
    assert len(viewers) == 3


def test_guests_are_told_as_viewers_are(site: Site, worker: Process, file: Path) -> None:
    """Who joins and leaves by call is a viewer: the same signals come, once for a repeat."""
    for _ in range(2):
        site.get("/guest/join/guests/ann")
    site.get("/guest/leave/guests/ann")
    wait(file, "guests", "notification_sent")
    assert names(file, "guests") == [
        *("event_started", "viewer_joined", "viewer_left", "event_ending"),
        *("event_ended", "notification_sent"),
    ]


def test_a_dead_process_s_event_is_told_as_ending(
    site: Site, worker: Process, file: Path, ground: Ground
) -> None:
    """Where the last viewers died with their process, whoever notices tells that it ends."""
    Web(ground.store, "dead", delay=1000).set("reaped", 2)
    ground.store.heartbeat("dead", 1, 0)
    wait(file, "reaped", "notification_sent")
    assert names(file, "reaped") == ["event_ending", "event_ended", "notification_sent"]


def test_a_scheduled_end_is_told_as_ending(site: Site, worker: Process, file: Path) -> None:
    """An end that was scheduled is an event ending, though nobody ever came."""
    site.get("/schedule/scheduled?delay=1")
    wait(file, "scheduled", "notification_sent")
    assert names(file, "scheduled") == ["event_ending", "event_ended", "notification_sent"]


def test_a_failed_attempt_is_told(site: Site, worker: Process, file: Path, ground: Ground) -> None:
    """An attempt that failed is told with the error, and what was sent in the end too."""
    ground.mailbox.process.stop()
    site.watch("failing").close()
    (failed, *_) = [
        line["what"]
        for line in wait(file, "failing", "notification_failed")
        if line["signal"] == "notification_failed"
    ]
    assert set(failed) == {"event_id", "session", "clients", "at", "error"}
    assert failed["error"]
    ground.mailbox.restart()
    wait(file, "failing", "notification_sent")
    ground.told("failing")


def test_a_receiver_that_raises_breaks_nothing(
    site: Site, worker: Process, file: Path, ground: Ground
) -> None:
    """Whatever receivers raise, viewers are counted and the host is told; each is counted."""
    before = hook_errors(site)
    site.watch("raise-jam").close()
    ground.told("raise-jam")
    # Started, joined, left, ending, ended, sent.
    eventually(lambda: hook_errors(site) == before + 6, "six failures are counted")
    assert heard(file, "raise-jam") == []
    assert "A receiver of the signal event-ended failed" in worker.output()
    assert "A receiver of the signal viewer-joined failed" in site.process.output()


def test_a_slow_receiver_does_not_hold_up_counting(site: Site, file: Path, ground: Ground) -> None:
    """While a receiver hangs, viewers come and are counted; its signals come when it goes on."""
    viewers = [site.watch("slow-jam")]
    ground.wait("slow-jam", "live", 1)
    viewers += [site.watch("slow-jam") for _ in range(5)]
    ground.wait("slow-jam", "live", 6)
    assert site.metric('streamend_event_clients{event_id="slow-jam"}') == 6
    assert heard(file, "slow-jam") == [], "the receiver still hangs"
    file.with_suffix(".go").touch()
    eventually(
        lambda: names(file, "slow-jam").count("viewer_joined") == 6,
        "what waited is told",
    )
    for viewer in viewers:
        viewer.close()
