"""Unit tests of the alerts that are tickets: when they fire, what beside it leaves them silent."""

from __future__ import annotations

from .cases_symptoms import events, notices
from .promtool import Case, Fires, both, steps, up

TICKET = {"severity": "warning", "job": "live"}
MAIL = {**TICKET, "channel": "email"}
INFO = {"severity": "info", "job": "live"}
HOUR, DAY = 3600, 86_400


def gauge(
    name: str, changes: dict[int, float], until: int = 900, every: int = 15, **labels: str
) -> dict[str, str]:
    """Return a gauge, alike on both processes."""
    return both(f"streamend_{name}", steps(until, changes, every), **labels)


def counter(
    name: str, changes: dict[int, float], until: int = 900, every: int = 15, **labels: str
) -> dict[str, str]:
    """Return a counter, alike on both processes, which reach the store."""
    values = steps(until, changes, every)
    return {**up(until, every), **both(f"streamend_{name}_total", values, **labels)}


LATENCY_BURN_SLOW = (
    Case(
        "LatencyBurnSlow",
        "fires a quarter of an hour after the fifth late notice of a day, and resolves",
        notices({0: 0, 300: 1, 600: 5}, {0: 0}, 8 * HOUR, 300),
        {
            1200: [],
            1500: [
                Fires(
                    "live: hosts are told late, day after day",
                    "100% of the notices of the last day, or three, took over 5 s or were given"
                    " up; the objective allows 1%, and won't be met this month.",
                    TICKET,
                )
            ],
            # The shorter windows, 2 and 6 hours, are over.
            7 * HOUR: [],
        },
        300,
    ),
    Case(
        "LatencyBurnSlow",
        "silent where four were late, and nothing else ended",
        notices({0: 0, 300: 4}, {0: 0}, 8 * HOUR, 300),
        {3600: [], 6 * HOUR: []},
        300,
    ),
)


def waits(how_long: str) -> Fires:
    """Return what fires where a notice was due so long ago."""
    return Fires(
        "live: a host waits for a notice",
        f"The oldest notice was due {how_long} ago and is still being tried: longer than a greylist"
        " takes. `flask streamend deliveries` has the mail server's words.",
        TICKET,
    )


AGES = {0: 0, **{t: float(t - 15) for t in range(15, 600, 15)}, 600: 0}
HOSTS_WAITING = (
    Case(
        "HostsWaiting",
        "fires a minute after a notice was due for 5, and resolves",
        gauge("notifications_overdue_seconds", AGES),
        {375: [], 390: [waits("6m 15s")], 600: []},
    ),
    Case(
        "HostsWaiting",
        "silent at 5 minutes",
        gauge("notifications_overdue_seconds", {0: 300}),
        {900: []},
    ),
    Case(
        "HostsWaiting",
        "a gap after Redis was away does not silence it",
        {
            **gauge("notifications_overdue_seconds", {0: 330}),
            **gauge("paused", {0: 1}, reason="gap"),
            **gauge("paused", {0: 0}, reason="hold"),
        },
        {45: [], 60: [waits("5m 30s")]},
    ),
    Case(
        "HostsWaiting",
        "silent where an operator holds all notices",
        {
            **gauge("notifications_overdue_seconds", {0: 900}),
            **gauge("paused", {0: 1}, reason="hold"),
        },
        {900: []},
    ),
)


def dead(count: int) -> Fires:
    """Return what fires where this many notices were given up."""
    return Fires(
        "live: notices were given up",
        f"{count} notices are dead letters. Read why with `flask streamend deliveries --dead`, then"
        " `retry` or `dismiss` them.",
        TICKET,
    )


DEAD_LETTERS = (
    Case(
        "DeadLetters",
        "fires a minute after the first, and resolves when all were taken up or dismissed",
        {
            **gauge("deliveries", {0: 0, 60: 1, 300: 0}, state="dead"),
            **gauge("deliveries", {0: 500}, state="sent"),
        },
        {45: [], 105: [], 120: [dead(1)], 285: [dead(1)], 300: []},
    ),
    Case(
        "DeadLetters",
        "silent whatever else lies in the ledger",
        {
            **gauge("deliveries", {0: 0}, state="dead"),
            **gauge("deliveries", {0: 500}, state="sent"),
            **gauge("deliveries", {0: 5}, state="retrying"),
        },
        {900: []},
    ),
)


def skipped(reason: str, count: int) -> Fires:
    """Return what fires where this many ends were told to nobody."""
    return Fires(
        f"live: hosts are skipped ({reason})",
        f"{count} ends of the last hour were told to nobody: {reason}. Nothing failed, and nothing"
        " is tried again.",
        {**TICKET, "reason": reason},
    )


HOSTS_SKIPPED = (
    Case(
        "HostsSkipped",
        "fires at once, by reason, and resolves after an hour",
        {
            **counter("skips", {0: 0, 60: 1}, 4200, reason="no_address"),
            **counter("skips", {0: 3, 120: 5}, 4200, reason="no_event"),
        },
        {
            45: [],
            60: [skipped("no_address", 1)],
            120: [skipped("no_address", 1), skipped("no_event", 2)],
            3600: [skipped("no_address", 1), skipped("no_event", 2)],
            3780: [],
        },
    ),
    Case(
        "HostsSkipped",
        "silent where hosts asked for no notices",
        {
            **counter("skips", {0: 0, 60: 20}, reason="muted"),
            **counter("skips", {0: 0}, reason="no_loader"),
        },
        {900: []},
    ),
)


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


def workers(idle: dict[int, float], busy: dict[int, float]) -> dict[str, str]:
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
    Case("NoWorker", "silent where one is busy", {**events(1), **workers({0: 0}, {0: 1})}, {900: []}),
    Case("NoWorker", "silent where nothing is on", {**events(0), **workers({0: 0}, {0: 0})}, {900: []}),
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
        counter("errors", {0: 2, **{60 * n: 2 + n for n in range(1, 6)}}, 1800, stage="hook"),
        {300: [], 585: [], 600: [broken("hook", 5)], 1200: []},
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


def failing(count: int) -> Fires:
    """Return what fires where this many attempts failed."""
    return Fires(
        "live: many attempts by email fail",
        f"{count} attempts by email failed in an hour, over a fifth of all. They are tried again;"
        " hosts are told late.",
        MAIL,
    )


def by_status(**counts: int) -> dict[str, str]:
    """Return attempts by status, all at the first minute."""
    series: dict[str, str] = {}
    for status, count in counts.items():
        changes = {0: 0, 60: float(count)}
        series |= counter("notifications", changes, 4800, 60, channel="email", status=status)
    return series


ATTEMPTS_FAILING = (
    Case(
        "AttemptsFailing",
        "fires after 10 minutes where 5 of 24 failed, and resolves after the hour",
        by_status(failed=5, sent=19, skipped=50, dead=0),
        {600: [], 660: [failing(5)], 3600: [failing(5)], 3780: []},
        60,
    ),
    Case(
        "AttemptsFailing",
        "silent where 5 of 26 failed",
        by_status(failed=5, sent=21, skipped=0),
        {1200: []},
        60,
    ),
    Case(
        "AttemptsFailing",
        "silent where all of 4 failed, whatever was skipped",
        by_status(failed=4, sent=0, skipped=9, repeated=9),
        {1200: []},
        60,
    ),
    Case(
        "AttemptsFailing",
        "silent where 4 of 12 failed",
        by_status(failed=4, sent=8),
        {1200: []},
        60,
    ),
)


VIEWERS_REFUSED = (
    Case(
        "ViewersRefused",
        "fires at the tenth in 10 minutes, and resolves",
        {
            **counter("refusals", {0: 0, 60: 9, 120: 10}, reason="limit"),
            **counter("refusals", {0: 0, 60: 7}, reason="origin"),
        },
        {
            105: [],
            120: [
                Fires(
                    "live: viewers are refused",
                    "10 viewers were refused in 10 minutes, because STREAMEND_MAX_CLIENTS or"
                    " STREAMEND_MAX_CLIENTS_PER_EVENT is reached.",
                    TICKET,
                )
            ],
            840: [],
        },
    ),
    Case(
        "ViewersRefused",
        "silent where nine are over a limit, and others have no right to watch",
        {
            **counter("refusals", {0: 0, 60: 9}, reason="limit"),
            **counter("refusals", {0: 0, 60: 70}, reason="origin"),
        },
        {60: [], 300: [], 900: []},
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
    *LATENCY_BURN_SLOW,
    *HOSTS_WAITING,
    *DEAD_LETTERS,
    *HOSTS_SKIPPED,
    *UNACCOUNTED,
    *NO_WORKER,
    *STORE_UNREACHABLE,
    *ERRORS,
    *ATTEMPTS_FAILING,
    *VIEWERS_REFUSED,
    *SCHEDULER_SILENT,
    *HELD_LONG,
)
