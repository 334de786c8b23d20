"""Every metric's name, type, help and labels: the one definition of them.

The collector makes its families of it, and the documentation its table. A counter's value lies in
the store under its *field*: the metric's short name and its label values, joined by ``|``. The
scripts and :class:`~flask_streamend.telemetry.tally.Tally` write fields; the collector reads them
through this table, so a name is written once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from ..store.histograms import DURATION, LATENCY, PEAK, SEND
from ..store.totals import OWED, SETTLED

PREFIX = "streamend_"
OTHER = "_other"
"""The label value that sums the events which have no series of their own."""

#: A label and every value it can take; none where the values are not known beforehand.
Label = tuple[str, tuple[str, ...]]

#: Its values are the application's channels; e-mail is built in.
CHANNEL: Label = ("channel", ("email",))
STATUSES = ("sent", "failed", "dead", "skipped", "repeated")
FAILURES = ("connect", "timeout", "auth", "refused", "other")
REFUSAL_REASONS = (
    *("bad_event_id", "viewer", "token", "origin"),
    *("no_such_event", "limit", "draining"),
)
SKIP_REASONS = ("no_loader", "no_event", "no_address", "muted", "suppressed")
STAGES = ("store", "event_loader", "queue", "channel", "hook", "websocket")


@dataclass(frozen=True)
class Gauge:
    """A figure read from the store, or of the answering process.

    :param short: its name without prefix.
    """

    short: str
    help: str
    labels: tuple[Label, ...] = ()

    kind = "gauge"

    @property
    def name(self) -> str:
        """Return the name as Prometheus has it."""
        return PREFIX + self.short

    @property
    def label_names(self) -> list[str]:
        """Return the labels' names."""
        return [name for name, _ in self.labels]

    def combinations(self, channels: tuple[str, ...] = ("email",)) -> list[tuple[str, ...]]:
        """Return every combination of label values: each is on the page from the first scrape.

        :param channels: those an application registered.
        """
        return list(product(*(channels if label == CHANNEL else label[1] for label in self.labels)))


@dataclass(frozen=True)
class Counter(Gauge):
    """A counter kept in the store.

    :param short: its name without prefix and ``_total``; the first part of its fields.
    """

    kind = "counter"

    def field(self, *values: str) -> str:
        """Return the field in the store for these label values."""
        return "|".join((self.short, *values))


@dataclass(frozen=True)
class Histogram(Counter):
    """A histogram kept in the store.

    :param short: its name without prefix and unit; the first part of its fields.
    :param bounds: its buckets' upper bounds.
    :param unit: the unit's part of the name; the store counts seconds in milliseconds.
    """

    bounds: tuple[float, ...] = ()
    unit: str = "_seconds"

    kind = "histogram"

    @property
    def name(self) -> str:
        """Return the name as Prometheus has it."""
        return PREFIX + self.short + self.unit

    @property
    def scale(self) -> int:
        """Return how many of the store's units make one of the metric's."""
        return 1000 if self.unit else 1


EVENT_CLIENTS = Gauge(
    "event_clients", "Viewers of an event; 0 in its grace period.", (("event_id", ()),)
)
EVENT_DUE = Gauge(
    "event_due_timestamp_seconds",
    "When an event in its grace period ends if nobody comes back.",
    (("event_id", ()),),
)
CLIENTS = Gauge("clients", "Viewers of all events.")
EVENTS = Gauge("events", "Events by state.", (("state", ("live", "ending")),))
PROCESSES = Gauge("processes", "Web processes with a lease.")
OVERDUE = Gauge(
    "notifications_overdue",
    "Notices due over 5 s ago, not accepted and not held, by state.",
    (("state", OWED),),
)
OVERDUE_AGE = Gauge(
    "notifications_overdue_seconds", "Age of the oldest overdue notice; 0 when there is none."
)
DELIVERIES = Gauge(
    "deliveries", "What the ledger holds now, by state.", (("state", (*OWED, *SETTLED)),)
)
SESSIONS_LOST = Gauge(
    "sessions_unaccounted",
    "Sessions begun less those live, ending, ended and purged: always 0.",
)
DELIVERIES_LOST = Gauge(
    "deliveries_unaccounted", "Deliveries made less those in a state or aged out: always 0."
)
PAUSED = Gauge(
    "paused",
    "Whether ends wait: an operator's hold, or a gap after Redis was away.",
    (("reason", ("hold", "gap")),),
)
QUEUE_JOBS = Gauge(
    "queue_jobs",
    "Jobs of the queue by state, whoever's they are.",
    (("queue", ()), ("state", ("queued", "started", "scheduled", "failed"))),
)
WORKERS = Gauge(
    "workers", "RQ workers on the queue by state.", (("queue", ()), ("state", ("idle", "busy")))
)
SCHEDULER_UP = Gauge(
    "scheduler_up", "Whether a worker runs RQ's scheduler for the queue.", (("queue", ()),)
)
LAST_SWEEP = Gauge(
    "last_sweep_timestamp_seconds", "When a process looked after what others left behind."
)
STORE_UP = Gauge("store_up", "Whether the answering process reaches the store.")
INFO = Gauge("info", "The version of flask_streamend.", (("version", ()),))

GRACE_PERIODS = Counter(
    "grace_periods", "Grace periods by how they ended.", (("result", ("ended", "resumed")),)
)
NOTIFICATIONS = Counter(
    "notifications",
    "Notices by channel and how an attempt at them went.",
    (CHANNEL, ("status", STATUSES)),
)
SKIPS = Counter("skips", "Ends whose host was not told, by why.", (("reason", SKIP_REASONS),))
DELIVERY_FAILURES = Counter(
    "delivery_failures",
    "Attempts that failed, by channel and why.",
    (CHANNEL, ("reason", FAILURES)),
)
ERRORS = Counter("errors", "Failures by the stage they happened in.", (("stage", STAGES),))
REFUSALS = Counter(
    "refusals", "Viewers who were not let in, by why.", (("reason", REFUSAL_REASONS),)
)
LATENCY_SECONDS = Histogram(
    "notification_latency",
    "Seconds from an event's end to its notice being accepted.",
    (CHANNEL,),
    LATENCY,
)
SEND_SECONDS = Histogram(
    "send_duration", "Seconds that one attempt at a notice took.", (CHANNEL,), SEND
)
DURATION_SECONDS = Histogram(
    "event_duration", "Seconds from a session's first viewer to its end.", (), DURATION
)
PEAK_CLIENTS = Histogram(
    "event_peak_clients", "Most viewers at once in a session.", (), PEAK, unit=""
)

COUNTERS = (GRACE_PERIODS, NOTIFICATIONS, SKIPS, DELIVERY_FAILURES, ERRORS, REFUSALS)
HISTOGRAMS = (LATENCY_SECONDS, SEND_SECONDS, DURATION_SECONDS, PEAK_CLIENTS)
#: Those that are there only with a queue: not under ``memory://``.
OF_QUEUE = (QUEUE_JOBS, WORKERS, SCHEDULER_UP)
GAUGES = (
    *(EVENT_CLIENTS, EVENT_DUE, CLIENTS, EVENTS, PROCESSES),
    *(OVERDUE, OVERDUE_AGE, DELIVERIES, SESSIONS_LOST, DELIVERIES_LOST, PAUSED),
    *OF_QUEUE,
    *(LAST_SWEEP, STORE_UP, INFO),
)
ALL: tuple[Gauge, ...] = (*GAUGES, *COUNTERS, *HISTOGRAMS)
