"""The system's figures, as a store reads them in one act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: States of a delivery that is owed, and of one that is settled.
OWED = ("pending", "sending", "retrying")
SETTLED = ("sent", "skipped", "dead", "digested")


@dataclass(frozen=True)
class Busy:
    """An event by name.

    :param due_at: when it ends, in seconds since the epoch; None unless ending.
    """

    event_id: str
    clients: int
    due_at: float | None = None


@dataclass(frozen=True)
class Exemplar:
    """The last notice that fell into a bucket of the latency histogram.

    :param trace: its trace's id; empty where there is none.
    :param late: seconds from due to accepted.
    :param at: when it was accepted, in seconds since the epoch.
    """

    event_id: str
    trace: str
    late: float
    at: float


@dataclass(frozen=True)
class Totals:
    """The system's figures.

    :param processes: web processes with a lease.
    :param clients: viewers over all events.
    :param live: events with viewers.
    :param ending: events in their grace period.
    :param overdue_by: ends and deliveries due over 5 s ago, not accepted and not held, by state.
    :param oldest: seconds since the oldest of these was due; 0 when there is none.
    :param deliveries: what the ledger holds, by state.
    :param counters: every counter's value by its field.
    :param problems: problem codes that workers met, each with when, in seconds since the epoch.
    :param busiest: the events with most viewers, busiest first.
    :param exemplars: by ``channel|bound`` of the latency histogram.
    :param gap: milliseconds for which ends wait until every process has reported after an outage.
    :param hold: milliseconds for which an operator wants no notice.
    :param swept: when a process beat last, in seconds since the epoch.
    """

    now: int
    processes: int
    clients: int
    live: int
    ending: int
    overdue_by: Mapping[str, int]
    oldest: float
    deliveries: Mapping[str, int]
    counters: Mapping[str, int]
    problems: Mapping[str, float] = field(default_factory=dict)
    busiest: tuple[Busy, ...] = ()
    exemplars: Mapping[str, Exemplar] = field(default_factory=dict)
    gap: int = 0
    hold: int = 0
    swept: float = 0.0

    @property
    def overdue(self) -> int:
        """Return how many ends and deliveries are overdue."""
        return sum(self.overdue_by.values())

    @property
    def dead(self) -> int:
        """Return how many dead letters there are."""
        return self.deliveries["dead"]

    @property
    def sessions_unaccounted(self) -> int:
        """Return sessions begun less those live, ending, ended and purged: always 0."""
        count = self.counters.get
        over = count("sessions_ended", 0) + count("sessions_purged", 0)
        return count("sessions_begun", 0) - self.live - self.ending - over

    @property
    def deliveries_unaccounted(self) -> int:
        """Return deliveries made less those in a state and those aged out: always 0."""
        count = self.counters.get
        gone = count("deliveries_gone", 0)
        return count("deliveries_made", 0) - sum(self.deliveries.values()) - gone
