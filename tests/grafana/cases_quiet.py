"""Unit tests of what must wake nobody, and of what the recording rules make of restarts."""

from __future__ import annotations

from collections.abc import Iterator

from flask_streamend.telemetry import names

from .promtool import Case, both, steps

HOUR, DAY = 3600, 86_400


def page(until: int, every: int, **changes: dict[int, float]) -> dict[str, str]:
    """Return every series that two idle processes show, workers and scheduler among them.

    :param changes: by metric's short name, with the values of its labels behind ``__``: its values
        by second, where they are not always 0.
    """
    found: dict[str, str] = {}
    left = dict(changes)
    for sample, labels in _samples():
        key = "__".join([sample.removeprefix(names.PREFIX), *labels.values()]).replace(".", "_")
        found |= both(sample, steps(until, left.pop(key, {0: 0}), every), **labels)
    assert not left, left
    return found


def _samples() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each sample that is on the page from the first scrape."""
    known = {"queue": ("default",), "version": ("1",), "event_id": ()}
    for metric in names.ALL:
        labels = [(name, values or known[name]) for name, values in metric.labels]
        filled = type(metric)("", "", tuple(labels)) if labels else metric
        for values in filled.combinations():
            named = dict(zip(metric.label_names, values, strict=True))
            if isinstance(metric, names.Histogram):
                for bound in (*(str(float(b)) for b in metric.bounds), "+Inf"):
                    yield f"{metric.name}_bucket", {**named, "le": bound}
                yield f"{metric.name}_count", named
            elif isinstance(metric, names.Counter):
                yield f"{metric.name}_total", named
            else:
                yield metric.name, named


def told(late: dict[int, float], good: dict[int, float]) -> dict[str, dict[int, float]]:
    """Return the latency's changes: how many were told late, a quarter of an hour, and in time."""
    times = sorted({*late, *good})

    def at(changes: dict[int, float], second: int) -> float:
        return max(((t, v) for t, v in changes.items() if t <= second), default=(0, 0))[1]

    everything = {t: at(late, t) + at(good, t) for t in times}
    in_time = ("0_05", "0_1", "0_25", "0_5", "1_0", "2_5", "5_0", "10_0", "30_0", "60_0", "300_0")
    name = "notification_latency_seconds"
    return {
        **{f"{name}_bucket__email__{bound}": good for bound in in_time},
        **{f"{name}_bucket__email__{bound}": everything for bound in ("900_0", "3600_0", "+Inf")},
        f"{name}_count__email": everything,
        "notifications_total__email__sent": everything,
    }


ONCE = {0: 1.0}
WEEKEND = 2 * DAY
IDLE = Case(
    "",
    "two idle days with no worker, no scheduler and a sleeping sweep are silent",
    page(WEEKEND, 300, store_up=ONCE, last_sweep_timestamp_seconds={0: 60}, processes={0: 2}),
    {at: [] for at in range(0, WEEKEND + 1, HOUR)},
    300,
)

#: Four in two days, the first after a greylist's 5 minutes.
FOUR = (HOUR, 10 * HOUR, 25 * HOUR, 40 * HOUR)
FEW = Case(
    "",
    "four ends in two days, the first late, are silent",
    page(
        WEEKEND,
        300,
        store_up=ONCE,
        last_sweep_timestamp_seconds={t: float(t) for t in range(0, WEEKEND + 1, 300)},
        workers__default__idle=ONCE,
        notifications_total__email__failed={0: 0, FOUR[0] - 300: 1},
        delivery_failures_total__email__refused={0: 0, FOUR[0] - 300: 1},
        notifications_overdue_seconds={0: 0, FOUR[0] - 300: 295, FOUR[0]: 0},
        notifications_overdue__retrying={0: 0, FOUR[0] - 300: 1, FOUR[0]: 0},
        **told({0: 0, FOUR[0]: 1}, {0: 0, FOUR[1]: 1, FOUR[2]: 2, FOUR[3]: 3}),
    ),
    {at: [] for one in FOUR for at in range(one - 600, one + 3 * HOUR, 600)},
    300,
)

BUSY = {t: float(t // 15) for t in range(0, 2 * HOUR + 1, 15)}
SWEEP = {t: float(t) for t in range(0, 2 * HOUR + 1, 15)}
HEALTHY = Case(
    "",
    "two busy hours are silent: 240 ends an hour, a few of everything that happens",
    page(
        2 * HOUR,
        15,
        store_up=ONCE,
        last_sweep_timestamp_seconds=SWEEP,
        events__live={0: 30},
        events__ending={0: 3},
        clients={0: 900},
        processes={0: 2},
        workers__default__busy={t: float(t // 15 % 2) for t in BUSY},
        workers__default__idle={t: float(1 - t // 15 % 2) for t in BUSY},
        scheduler_up__default=ONCE,
        deliveries__sent=BUSY,
        grace_periods_total__ended=BUSY,
        refusals_total__limit={t: float(t // 900) for t in range(0, 2 * HOUR, 900)},
        refusals_total__origin={t: float(t // 15) for t in range(0, 2 * HOUR, 15)},
        errors_total__hook={t: float(t // 300) for t in range(0, 2 * HOUR, 300)},
        skips_total__muted={t: float(t // 300) for t in range(0, 2 * HOUR, 300)},
        notifications_total__email__failed={t: float(t // 600) for t in range(0, 2 * HOUR, 600)},
        delivery_failures_total__email__refused={t: t // 600 for t in range(0, 2 * HOUR, 600)},
        **told({t: float(t // 3600) for t in range(0, 2 * HOUR, 3600)}, BUSY),
    ),
    {at: [] for at in range(600, 2 * HOUR + 1, 300)},
)

RELAY = Case(
    "",
    "a mail server that restarts for half a minute is silent",
    page(
        HOUR,
        15,
        store_up=ONCE,
        last_sweep_timestamp_seconds=SWEEP,
        workers__default__idle=ONCE,
        events__live={0: 3},
        # One end meanwhile, tried three times, and none in the 5 minutes before.
        notifications_total__email__failed={0: 0, 600: 1, 605: 2, 615: 3},
        delivery_failures_total__email__connect={0: 0, 600: 1, 605: 2, 615: 3},
        notifications_overdue__retrying={0: 0, 615: 1, 645: 0},
        notifications_overdue_seconds={0: 0, 615: 15, 630: 30, 645: 0},
        **told({0: 0, 645: 1}, {0: 0, 240: 1}),
    ),
    {at: [] for at in range(540, HOUR + 1, 15)},
)

SENT = 'streamend_notifications_total{job="live",channel="email",status="sent",instance="%s"}'
UP = 'streamend_store_up{job="live",instance="%s"}'
RECORDED = 'job:streamend_notifications_total:max{job="live",channel="email",status="sent"}'
LABELS = '{job="live", channel="email", status="sent"}'

RESTART = Case(
    "",
    "a rolling restart hides nothing that was counted meanwhile",
    {
        # Two old processes stop at 5 minutes, two new ones come a minute later.
        **{SENT % one: "0+2x20 stale" for one in ("a:1", "a:2")},
        **{UP % one: "1x20 stale" for one in ("a:1", "a:2")},
        **{SENT % one: "_x23 48+2x20" for one in ("b:1", "b:2")},
        **{UP % one: "_x23 1x20" for one in ("b:1", "b:2")},
    },
    {},
    expressions=[
        (RECORDED, 300, {RECORDED: 40}),
        (f"increase({RECORDED}[15m])", 660, {LABELS: 88}),
    ],
)

CUT_OFF = Case(
    "",
    "a process that was cut off when Redis was emptied, with its old count, hides no new notices",
    {
        SENT % "a:1": "500x20 0+1x40",
        UP % "a:1": "1x60",
        SENT % "b:1": "500x60",
        UP % "b:1": "1x20 0x40",
    },
    {},
    expressions=[
        (RECORDED, 300, {RECORDED: 500}),
        (RECORDED, 900, {RECORDED: 39}),
        (f"increase({RECORDED}[15m])", 900, {LABELS: 39}),
    ],
)

QUIET = (IDLE, FEW, HEALTHY, RELAY)
RECORDS = (RESTART, CUT_OFF)
