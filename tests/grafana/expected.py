"""What every panel of the dashboards shows at which moment of the story, exactly where it can."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .prometheus import JOB, Labels, labels
from .story import BACK, ENDS, FULL, LATE, LONG, SHOW, TURNED_AWAY

Found = Mapping[Labels, float]
#: Values by labels, or what must be true of them.
Expected = Mapping[Labels, float] | Callable[[Found], bool]

LIVE = labels(job=JOB)
EMAIL = labels(job=JOB, channel="email")


def one(value: float) -> Expected:
    """Return: one figure, of the application."""
    return {LIVE: value}


def by(label: str, **values: float) -> Expected:
    """Return figures by the values of a label."""
    return {labels(**{label: name}): float(value) for name, value in values.items()}


def contains(label: str, **values: float) -> Expected:
    """Return: among others these figures are there."""
    wanted = {labels(**{label: name}): value for name, value in values.items()}
    return lambda found: all(found.get(key) == value for key, value in wanted.items())


def between(low: float, high: float = 1e12) -> Expected:
    """Return: all figures, one at the least, are over one limit and under another."""
    return lambda found: bool(found) and all(low < value < high for value in found.values())


def total(value: float) -> Expected:
    """Return: the figures' sum."""
    return lambda found: bool(found) and sum(found.values()) == value


def workers(count: int) -> Expected:
    """Return: so many workers, some of whom may be seen in two states."""
    return lambda found: len(found) == 2 and count <= sum(found.values()) <= 2 * count


NOTHING: Expected = {}
BOTH_SITES: Callable[[Found], bool] = lambda found: len(found) == 2  # noqa: E731

#: Those who are told up to a moment: fifty; who was turned away's event; the late ones and the
#: show; who had to wait for a worker.
TOLD = {"idle": 0, "well": ENDS, "troubled": ENDS + 1}
TOLD |= {"told late": ENDS + 2 + LATE, "back": ENDS + 3 + LATE}
#: Beside these ended an event without an address, and one whose host was refused.
ENDED = {when: count + 2 * (count > ENDS) for when, count in TOLD.items()}

OVERVIEW: dict[str, dict[str, Expected]] = {
    "Live A": {
        "idle": one(0),
        "well": one(4),
        "troubled": one(3),
        "no store": one(3),
        "back": one(3),
        "gone": NOTHING,
    },
    "About to end A": {"well": one(0), "troubled": one(1), "no mail": one(1), "told late": one(0)},
    "Viewers A": {"idle": one(0), "well": one(7), "troubled": one(4), "no store": one(4)},
    "Due, not told A": {"well": one(0), "no mail": one(0), "no worker": one(1), "back": one(0)},
    "Due, not told B": {"well": one(0), "no mail": one(LATE), "no worker": one(0)},
    "Longest wait A": {"well": one(0), "no mail": between(5), "no worker": between(5)},
    "Given up A": {"well": one(0), "troubled": one(1), "told late": one(0)},
    "Not accounted for A": {"well": one(0), "no mail": one(0), "held": one(1), "back": one(0)},
    "Not accounted for B": {"well": one(0), "no mail": one(0), "held": one(2), "back": one(0)},
    "How late C": {"well": NOTHING, "no mail": between(5), "back": NOTHING},
    "What stops notices A": {"well": one(1), "no store": one(0), "gone": NOTHING},
    "What stops notices B": {"well": one(1), "no worker": one(0), "no store": NOTHING},
    "What stops notices C": {"idle": one(1), "well": one(1), "no worker": one(1)},
    "What stops notices D": {"idle": {EMAIL: 1}},
    "What stops notices E": {
        "well": {labels(job=JOB, reason="hold"): 1, labels(job=JOB, reason="gap"): 1},
        "held": {labels(job=JOB, reason="hold"): 0, labels(job=JOB, reason="gap"): 1},
    },
    "What stops notices F": {"well": one(1), "held": one(0), "back": one(1)},
    "Events now A": {
        "idle": NOTHING,
        "well": by("event_id", here=2, there=1, **{BACK: 1, SHOW: 3}),
        "troubled": by("event_id", here=2, there=1, **{BACK: 1, SHOW: 0}),
        "told late": by("event_id", here=2, there=1, **{BACK: 1}),
    },
    "Events now B": {"well": NOTHING, "troubled": between(0, LONG)},
    "Firing, since when A": {"idle": NOTHING, "well": NOTHING, "troubled": between(0)},
    "Told A": {when: one(count) for when, count in TOLD.items()},
    "Repeated A": {"well": one(0), "back": one(0)},
    "Skipped, by reason A": {
        "troubled": by("reason", no_loader=0, no_event=0, no_address=1, muted=0, suppressed=0)
    },
    "Ledger by state A": {
        "well": contains("state", sent=ENDS, dead=0, pending=0, retrying=0, skipped=0),
        "troubled": contains("state", sent=ENDS + 1, dead=1, skipped=1),
        "told late": contains("state", sent=TOLD["told late"], dead=0, pending=0, retrying=0),
    },
    "Events and viewers A": {
        "well": by("state", live=4, ending=0),
        "troubled": by("state", live=3, ending=1),
        "no store": by("state", live=3, ending=0),
    },
    "Events and viewers B": {"well": one(7), "troubled": one(4), "no store": one(4)},
    "Ended A": {when: one(count) for when, count in ENDED.items()},
    "Came back in time A": {"idle": NOTHING, "well": one(1 / (ENDS + 1))},
    "Refused A": {
        "well": lambda found: set(found.values()) == {0},
        "troubled": contains("reason", limit=TURNED_AWAY, origin=0, token=0),
    },
    "Jobs by state A": {"well": lambda found: len(found) == 4, "no store": NOTHING},
    # Scraped while one of the two was busy, and again while it was not: it is in both states.
    "Workers by state A": {"well": workers(2), "no worker": total(0), "back": workers(2)},
    "RQ's scheduler A": {"well": by("queue", default=1), "no worker": by("queue", default=0)},
    "Last sweep A": {"well": between(-5, 120), "no worker": between(-5, 120)},
    "Store, as each process sees it A": {"well": BOTH_SITES, "no store": total(0)},
    "Web processes A": {"well": one(2), "back": one(2), "no store": NOTHING},
    "Web processes B": {"well": one(2), "no store": one(2), "gone": NOTHING},
    "Versions A": {"well": total(2)},
    "Time to scrape A": {"well": BOTH_SITES},
}

SHOWN = labels(event_id=SHOW)
EVENT: dict[str, dict[str, Expected]] = {
    "State A": {"well": {SHOWN: 1}, "troubled": {SHOWN: 0}, "told late": NOTHING},
    "State over time A": {"well": {SHOWN: 1}, "troubled": {SHOWN: 0}, "told late": NOTHING},
    "Viewers A": {"well": {SHOWN: FULL}, "troubled": {SHOWN: 0}, "told late": NOTHING},
    "Time left A": {"well": NOTHING, "troubled": between(0, LONG), "told late": NOTHING},
    "Most viewers A": {"troubled": {SHOWN: FULL}, "back": {SHOWN: FULL}},
    "Grace periods seen A": {"idle": NOTHING, "back": {SHOWN: 1}},
    "Viewers over time A": {"well": {SHOWN: FULL}, "troubled": {SHOWN: 0}, "told late": NOTHING},
}

#: Drawn over time: series that are there at some time, and a value that each has at some time.
DRAWN: dict[str, Mapping[Labels, Callable[[float], bool]]] = {
    "How late A": {labels(): lambda value: value > 0},
    "How late B": {labels(): lambda value: value > 5},
    "What stops notices D": {EMAIL: lambda value: value == 0},
    "Errors by stage A": {labels(stage="channel"): lambda value: value > 0},
    "Every notice's latency A": {
        labels(le="+Inf"): lambda value: value > 0,
        labels(le="0.005"): lambda value: value >= 0,
    },
    "Where the time goes A": {labels(): lambda value: value > 5},
    "Where the time goes B": {labels(channel="email"): lambda value: value > 0},
    "Notices by outcome A": {
        labels(channel="email", status=status): lambda value: value > 0
        for status in ("sent", "failed", "dead", "skipped")
    },
    "Failed attempts by reason A": {
        labels(channel="email", reason=reason): lambda value: value > 0
        for reason in ("connect", "refused")
    },
    "How long events last A": {labels(): lambda value: value > 0},
    "How long events last B": {labels(): lambda value: value > 0},
    "Viewers at the peak A": {labels(): lambda value: 0 < value <= 1},
    "Viewers at the peak B": {labels(): lambda value: value > 1},
    # Marks on the graphs.
    "Alerts": {
        labels(alertname=f"Streamend{name}", severity="critical"): lambda value: value == 1
        for name in ("HostsNotTold", "ChannelDown", "LatencyBurn", "StoreDown", "NoMetrics")
    },
    "New version": {},
    "Ends wait": {labels(reason="hold"): lambda value: value == 1},
    "Event ended": {SHOWN: lambda value: value == 1},
}

#: Figures that raw counters tell, compared by a test of their own.
COMPUTED = {
    *("Told within 5 s A", "Objective, 30 days A"),
    *("Burn rate A", "Burn rate B", "Burn rate C"),
    *(f"Errors: how many, first, last {ref}" for ref in "ABC"),
}

#: Alerts that fire at a moment; at the first two none does.
FIRING: dict[str, set[str]] = {
    "idle": set(),
    "well": set(),
    "troubled": {"DeadLetters", "HostsSkipped", "ViewersRefused"},
    "no mail": {"ChannelDown", "HostsWaiting", "AttemptsFailing", "Errors"},
    "told late": {"LatencyBurn", "LatencyBurnSlow"},
    "held": {"HeldLong", "Unaccounted"},
    "no worker": {"HostsNotTold", "NoWorker", "SchedulerSilent"},
    "no store": {"StoreDown", "StoreUnreachable"},
    "gone": {"NoMetrics"},
}
