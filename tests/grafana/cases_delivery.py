"""Unit tests of the alerts that are tickets: notices that are late, given up, skipped, or fail."""

from __future__ import annotations

from collections.abc import Mapping

from .cases_symptoms import notices
from .promtool import Case, Fires, counter, gauge

TICKET = {"severity": "warning", "job": "live"}
MAIL = {**TICKET, "channel": "email"}
HOUR = 3600

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


def failing(count: int) -> Fires:
    """Return what fires where this many attempts failed."""
    return Fires(
        "live: many attempts by email fail",
        f"{count} attempts by email failed in an hour, over a fifth of all. They are tried again;"
        " hosts are told late.",
        MAIL,
    )


def changing(**changes: Mapping[int, float]) -> dict[str, str]:
    """Return attempts by status, over an hour and 20 minutes."""
    series: dict[str, str] = {}
    for status, values in changes.items():
        series |= counter("notifications", values, 4800, 60, channel="email", status=status)
    return series


def by_status(**counts: int) -> dict[str, str]:
    """Return attempts by status, all at the first minute."""
    return changing(**{status: {0: 0, 60: count} for status, count in counts.items()})


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
    Case(
        "AttemptsFailing",
        "silent where but one of many failures was within the hour",
        changing(failed={0: 0, 60: 20, 3900: 21}, sent={0: 0}),
        {4800: []},
        60,
    ),
    Case(
        "AttemptsFailing",
        "failures before the hour don't count",
        changing(failed={0: 0, 60: 20, 3900: 25}, sent={0: 0, 3900: 30}),
        {4800: []},
        60,
    ),
    Case(
        "AttemptsFailing",
        "successes before the hour don't count",
        changing(failed={0: 0, 3900: 5}, sent={0: 0, 60: 100, 3900: 110}),
        {4440: [], 4500: [failing(5)]},
        60,
    ),
    Case(
        "AttemptsFailing",
        "successes of the whole hour count",
        changing(failed={0: 0, 2820: 5}, sent={0: 0, 300: 30}),
        {3480: [], 3840: []},
        60,
    ),
)


VIEWERS_REFUSED = (
    Case(
        "ViewersRefused",
        "fires at the tenth in 10 minutes, and resolves",
        {
            **counter("refusals", {0: 0, 60: 9, 570: 10}, reason="limit"),
            **counter("refusals", {0: 0, 60: 7}, reason="origin"),
        },
        {
            555: [],
            570: [
                Fires(
                    "live: viewers are refused",
                    "10 viewers were refused in 10 minutes, because STREAMEND_MAX_CLIENTS or"
                    " STREAMEND_MAX_CLIENTS_PER_EVENT is reached.",
                    TICKET,
                )
            ],
            660: [],
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

CASES = (
    *LATENCY_BURN_SLOW,
    *HOSTS_WAITING,
    *DEAD_LETTERS,
    *HOSTS_SKIPPED,
    *ATTEMPTS_FAILING,
    *VIEWERS_REFUSED,
)
