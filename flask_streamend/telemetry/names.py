"""Every metric's name, type, help and labels: the one definition of them.

A counter's value lies in the store under its *field*: the metric's short name and its label values,
joined by ``|``. The scripts and :class:`~flask_streamend.telemetry.tally.Tally` write fields; the
collector reads them through this table, so a name is written once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

PREFIX = "streamend_"
OTHER = "_other"
"""The label value that sums the events which have no series of their own."""

CHANNELS = ("email",)
STATUSES = ("sent", "failed", "dead", "skipped", "repeated")
REFUSAL_REASONS = (
    *("bad_event_id", "viewer", "token", "origin"),
    *("no_such_event", "limit", "draining"),
)
SKIP_REASONS = ("no_loader", "no_event", "no_address", "muted", "suppressed")
STAGES = ("store", "event_loader", "queue", "channel", "hook", "websocket")


@dataclass(frozen=True)
class Counter:
    """A counter kept in the store.

    :param short: its name without prefix and ``_total``; the first part of its fields.
    :param labels: its labels, each with every value it can take.
    """

    short: str
    help: str
    labels: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def name(self) -> str:
        """Return the name as Prometheus has it, without ``_total``."""
        return PREFIX + self.short

    @property
    def label_names(self) -> list[str]:
        """Return the labels' names."""
        return [name for name, _ in self.labels]

    def combinations(self) -> list[tuple[str, ...]]:
        """Return every combination of label values: each is on the page from the first scrape."""
        return list(product(*(values for _, values in self.labels)))

    def field(self, *values: str) -> str:
        """Return the field in the store for these label values."""
        return "|".join((self.short, *values))


NOTIFICATIONS = Counter(
    "notifications",
    "Notices by channel and how an attempt at them went.",
    (("channel", CHANNELS), ("status", STATUSES)),
)
SKIPS = Counter("skips", "Ends whose host was not told, by why.", (("reason", SKIP_REASONS),))
ERRORS = Counter("errors", "Failures by the stage they happened in.", (("stage", STAGES),))
REFUSALS = Counter(
    "refusals", "Viewers who were not let in, by why.", (("reason", REFUSAL_REASONS),)
)
GRACE_PERIODS = Counter(
    "grace_periods", "Grace periods by how they ended.", (("result", ("ended", "resumed")),)
)

COUNTERS = (NOTIFICATIONS, SKIPS, ERRORS, REFUSALS, GRACE_PERIODS)

LATENCY = Counter(
    "notification_latency", "Seconds from an event's end to its notice being accepted.",
    (("channel", CHANNELS),),
)  # fmt: skip

EVENT_CLIENTS = (PREFIX + "event_clients", "Viewers of an event; 0 in its grace period.")
CLIENTS = (PREFIX + "clients", "Viewers of all events.")
