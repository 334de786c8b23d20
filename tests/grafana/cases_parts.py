"""Unit tests of the alerts that are tickets: workers, processes, the store, a hold."""

from __future__ import annotations

from collections.abc import Mapping

from .cases_store import events
from .promtool import Case, Fires, both, counter, gauge, steps

TICKET = {"severity": "warning", "job": "live"}
INFO = {"severity": "info", "job": "live"}
HOUR, DAY = 3600, 86_400


def lost(figure: str) -> Fires:
    """Return what fires where this many are in no state."""
    return Fires(
        "live: the ledger does not balance",
        f"{figure} sessions or deliveries are in no state. This is a defect of flask_streamend:"
        " keep the log, and report it.",
        TICKET,
    )


UNACCOUNTED = (
    Case(
        "Unaccounted",
        "fires after 2 minutes where sessions were counted twice, and resolves",
        {
            **gauge("sessions_unaccounted", {0: 0, 60: -1, 600: 0}),
            **gauge("deliveries_unaccounted", {0: 0}),
        },
        {45: [], 165: [], 180: [lost("1")], 585: [lost("1")], 600: []},
    ),
    Case(
        "Unaccounted",
        "fires where deliveries are lost",
        {
            **gauge("sessions_unaccounted", {0: 0}),
            **gauge("deliveries_unaccounted", {0: 0, 60: -1}),
        },
        {165: [], 180: [lost("1")]},
    ),
    Case(
        "Unaccounted",
        "silent where one scrape found a figure between two states",
        gauge("sessions_unaccounted", {0: 0, 60: 1, 90: 0}),
        {t: [] for t in range(60, 300, 15)},
    ),
)


def unread() -> Fires:
    """Return what fires where nobody reads the queue."""
    return Fires(
        "live: no worker reads the queue mails",
        "0 workers read the queue mails while events are on: the next end is told late. Start one.",
        {**TICKET, "queue": "mails"},
        "var-job=live&var-queue=mails",
    )


def workers(idle: Mapping[int, float], busy: Mapping[int, float]) -> dict[str, str]:
    """Return workers by state."""
    return {
        **gauge("workers", idle, queue="mails", state="idle"),
        **gauge("workers", busy, queue="mails", state="busy"),
    }


NO_WORKER = (
    Case(
        "NoWorker",
        "fires 5 minutes after the last one has gone, and resolves",
        {**events(1), **workers({0: 2, 60: 0, 600: 1}, {0: 0})},
        {45: [], 345: [], 360: [unread()], 585: [unread()], 600: []},
    ),
    Case(
        "NoWorker",
        "one ending event is enough",
        {**events(0, 1), **workers({0: 0}, {0: 0})},
        {285: [], 300: [unread()]},
    ),
    Case(
        "NoWorker", "silent where one is busy", {**events(1), **workers({0: 0}, {0: 1})}, {900: []}
    ),
    Case(
        "NoWorker",
        "silent where nothing is on",
        {**events(0), **workers({0: 0}, {0: 0})},
        {900: []},
    ),
)


def cut_off(part: str) -> Fires:
    """Return what fires where a process reached Redis at so many scrapes."""
    return Fires(
        "live: b:8000 is cut off from Redis",
        f"b:8000 reached Redis at {part} of the last 5 minutes' scrapes. Look at that host's way to"
        " it.",
        {**TICKET, "instance": "b:8000"},
        "var-job=live&var-instance=b%3A8000",
    )


STORE_UNREACHABLE = (
    Case(
        "StoreUnreachable",
        "fires for the process that was cut off most of 5 minutes for 2, and resolves",
        {
            'streamend_store_up{job="live",instance="a:8000"}': steps(1500, {0: 1}),
            'streamend_store_up{job="live",instance="b:8000"}': steps(1500, {0: 1, 600: 0, 900: 1}),
        },
        # Of 21 scrapes in 5 minutes 11 fail at 750 s, 19 at 870 s; 11 are good again at 1050 s.
        {855: [], 870: [cut_off("9.524%")], 1035: [cut_off("47.62%")], 1050: []},
    ),
    Case(
        "StoreUnreachable",
        "silent where one scrape of three fails",
        both("streamend_store_up", steps(900, {t: float(t % 45 > 0) for t in range(0, 900, 15)})),
        {t: [] for t in range(300, 900, 60)},
    ),
)


def broken(stage: str, count: int) -> Fires:
    """Return what fires where a stage failed so often."""
    return Fires(
        f"live: errors in the stage {stage}",
        f"{count} errors in the stage {stage} in 15 minutes. The log has each.",
        {**TICKET, "stage": stage},
    )


ERRORS = (
    Case(
        "Errors",
        "fires 5 minutes after the fifth of a stage, and resolves",
        counter("errors", {0: 0, 60: 1, 180: 2, 300: 3, 420: 4, 540: 5}, 1800, stage="hook"),
        {540: [], 825: [], 840: [broken("hook", 5)], 945: [broken("hook", 5)], 960: []},
    ),
    Case(
        "Errors",
        "silent where two stages have four each",
        {
            **counter("errors", {0: 0, 60: 4}, 1800, stage="hook"),
            **counter("errors", {0: 0, 60: 4}, 1800, stage="store"),
        },
        {600: [], 900: []},
    ),
)


def unscheduled() -> Fires:
    """Return what fires where RQ's scheduler has gone."""
    return Fires(
        "live: RQ's scheduler is gone",
        "0 workers run RQ's scheduler for the queue default, and one did within a day. Ends are"
        " told in time while a web process or `flask streamend worker` lives.",
        {**INFO, "queue": "default"},
        "var-job=live&var-queue=default",
    )


SCHEDULER_SILENT = (
    Case(
        "SchedulerSilent",
        "fires a quarter of an hour after it has gone, and resolves",
        gauge("scheduler_up", {0: 1, 60: 0, 1200: 1}, 1800, queue="default"),
        {45: [], 945: [], 960: [unscheduled()], 1185: [unscheduled()], 1200: []},
    ),
    Case(
        "SchedulerSilent",
        "silent from a day after: nobody wants one",
        both("streamend_scheduler_up", steps(DAY + HOUR, {0: 1, 600: 0}, 300), queue="default"),
        {DAY: [unscheduled()], DAY + 900: []},
        300,
    ),
    Case(
        "SchedulerSilent",
        "silent where none ever ran",
        gauge("scheduler_up", {0: 0}, 1800, queue="default"),
        {1800: []},
    ),
)


HELD_LONG = (
    Case(
        "HeldLong",
        "fires after an hour, and resolves when let go",
        {
            **gauge("paused", {0: 0, 60: 1, 4200: 0}, 4800, 60, reason="hold"),
            **gauge("paused", {0: 0}, 4800, 60, reason="gap"),
        },
        {
            0: [],
            3600: [],
            3660: [
                held := Fires(
                    "live: notices are held",
                    "An operator holds all notices, for over an hour now. To let go:"
                    " `flask streamend hold 0`.",
                    INFO,
                )
            ],
            4140: [held],
            4200: [],
        },
        60,
    ),
    Case(
        "HeldLong",
        "silent where a gap lasts",
        {
            **gauge("paused", {0: 0}, 4800, 60, reason="hold"),
            **gauge("paused", {0: 1}, 4800, 60, reason="gap"),
        },
        {4800: []},
        60,
    ),
)

CASES = (
    *UNACCOUNTED,
    *NO_WORKER,
    *STORE_UNREACHABLE,
    *ERRORS,
    *SCHEDULER_SILENT,
    *HELD_LONG,
)
