"""The Prometheus collector: a view of the store, read at the scrape.

So the figures are true whichever process answers, forked workers' doings included, and a series
goes with its event.
"""

from __future__ import annotations

from collections import Counter as Bag
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from prometheus_client import Metric
from prometheus_client.core import (
    REGISTRY,
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from ..errors import StoreError
from ..store.interface import Store
from ..store.totals import Totals
from . import names
from .queues import QueueView

#: Seconds to wait for this process's own last changes to be reported.
SETTLE = 0.3
#: Characters that an exemplar's labels may have in all (OpenMetrics, "Exemplars").
EXEMPLAR_MAX = 128

#: Label values and the figure.
Rows = Iterable[tuple[tuple[str, ...], float]]


class Own(Protocol):
    """What a process holds: in a fork another presence than before, on a test's stage all of it."""

    @property
    def glance(self) -> Store:
        """Return a store that answers, or fails, within half a second."""

    @property
    def presence(self) -> Any:
        """Return this process's viewers."""

    @property
    def tally(self) -> Any:
        """Return this process's counts."""


@dataclass(frozen=True)
class _View:
    """What one page shows.

    :param totals: the store's figures; None while it is away.
    :param counters: the counters; None where they were never read.
    :param named: viewers of the events that have a series of their own.
    :param clients: viewers of all events.
    :param events: events by state.
    :param queue: None while it can't be read, or where there is none.
    """

    totals: Totals | None
    counters: Mapping[str, int] | None
    named: Mapping[str, int]
    clients: int
    events: Mapping[str, int]
    queue: QueueView | None


class StoreCollector(Collector):
    """Yields this extension's metrics from one reading of the store.

    :param max_events: events with a series of their own.
    :param own: what this process holds: reported before the page is read, and shown instead of it
        while the store is away.
    :param look_at_queue: reads the queue; its answer is None where there is none.
    :param version: the package's.
    :param channels: the application's, by name.
    """

    def __init__(
        self,
        max_events: int,
        own: Own,
        look_at_queue: Callable[[], QueueView | None],
        version: str,
        channels: tuple[str, ...] = ("email",),
    ) -> None:
        self._max_events = max_events
        self._own = own
        self._look_at_queue = look_at_queue
        self._version = version
        self._channels = channels
        self._last: Mapping[str, int] | None = None

    def describe(self) -> Iterable[Metric]:
        """Name the families without asking the store: a registry asks this at the start."""
        return [_family(metric) for metric in names.ALL]

    def collect(self) -> Iterable[Metric]:
        """Read store and queue once; while they are away, gauges are this process's own."""
        view = self._look()
        yield from _gauges(view, self._version)
        for counter in names.COUNTERS:
            yield _filled(counter, _counted(counter, view.counters, self._channels))
        for histogram in names.HISTOGRAMS:
            yield _histogram(histogram, view, self._channels)

    def _look(self) -> _View:
        presence = self._own.presence
        try:
            presence.settle(SETTLE)
            totals = self._own.glance.totals(self._max_events)
            queue = self._look_at_queue()
        except StoreError:
            own = presence.counts()
            busiest = dict(sorted(own.items(), key=lambda item: -item[1])[: self._max_events])
            events = {"live": len(own), "ending": 0}
            return _View(None, self._last, busiest, sum(own.values()), events, None)
        self._last = Bag(totals.counters) + Bag(self._own.tally.pending())
        return _View(
            totals,
            self._last,
            {busy.event_id: busy.clients for busy in totals.busiest},
            totals.clients,
            {"live": totals.live, "ending": totals.ending},
            queue,
        )


def _gauges(view: _View, version: str) -> Iterator[Metric]:
    """Yield the gauges; those that can't be known have no samples."""
    totals, queue = view.totals, view.queue
    rows: dict[names.Gauge, Rows] = {
        names.EVENT_CLIENTS: _by_event(view),
        names.CLIENTS: [((), view.clients)],
        names.EVENTS: _by(view.events),
        names.STORE_UP: [((), int(totals is not None))],
        names.INFO: [((version,), 1)],
    }
    if totals is not None:
        due = {(busy.event_id,): busy.due_at for busy in totals.busiest}
        rows |= {
            names.EVENT_DUE: [(event, at) for event, at in due.items() if at is not None],
            names.PROCESSES: [((), totals.processes)],
            names.OVERDUE: _by(totals.overdue_by),
            names.OVERDUE_AGE: [((), totals.oldest)],
            names.DELIVERIES: _by(totals.deliveries),
            names.SESSIONS_LOST: [((), totals.sessions_unaccounted)],
            names.DELIVERIES_LOST: [((), totals.deliveries_unaccounted)],
            names.PAUSED: [(("hold",), int(totals.hold > 0)), (("gap",), int(totals.gap > 0))],
            names.LAST_SWEEP: [((), totals.swept)] if totals.swept else [],
        }
    if queue is not None:
        rows |= {
            names.QUEUE_JOBS: [((queue.name, state), n) for state, n in queue.jobs.items()],
            names.WORKERS: [((queue.name, state), n) for state, n in queue.workers.items()],
            names.SCHEDULER_UP: [((queue.name,), int(queue.scheduler))],
        }
    for gauge in names.GAUGES:
        if gauge in rows:
            yield _filled(gauge, rows[gauge])


def _by(figures: Mapping[str, int]) -> Rows:
    return [((value,), figure) for value, figure in figures.items()]


def _by_event(view: _View) -> Rows:
    yield from _by(view.named)
    if sum(view.events.values()) > len(view.named):
        yield (names.OTHER,), view.clients - sum(view.named.values())


def _counted(
    counter: names.Counter, counters: Mapping[str, int] | None, channels: tuple[str, ...]
) -> Rows:
    for values in counter.combinations(channels) if counters is not None else []:
        assert counters is not None
        yield values, counters.get(counter.field(*values), 0)


def _family(metric: names.Gauge) -> Any:
    kinds = {
        "gauge": GaugeMetricFamily,
        "counter": CounterMetricFamily,
        "histogram": HistogramMetricFamily,
    }
    return kinds[metric.kind](metric.name, metric.help, labels=metric.label_names)


def _filled(metric: names.Gauge, rows: Rows) -> Metric:
    family = _family(metric)
    for values, figure in rows:
        family.add_metric(values, figure)
    return family  # type: ignore[no-any-return]


def _histogram(histogram: names.Histogram, view: _View, channels: tuple[str, ...]) -> Metric:
    family = _family(histogram)
    if view.counters is None:
        return family  # type: ignore[no-any-return]
    for values in histogram.combinations(channels):
        total, buckets = 0, []
        for bound in histogram.bounds:
            part = str(int(bound * histogram.scale))
            total += view.counters.get(histogram.field(*values, part), 0)
            buckets.append((floatToGoString(bound), total, _exemplar(view, *values, part)))
        count = view.counters.get(histogram.field(*values, "count"), 0)
        buckets.append(("+Inf", count, _exemplar(view, *values, "Inf")))
        family.add_metric(
            values,
            buckets if histogram is names.LATENCY_SECONDS else [b[:2] for b in buckets],
            view.counters.get(histogram.field(*values, "sum"), 0) / histogram.scale,
        )
    return family  # type: ignore[no-any-return]


def _exemplar(view: _View, *path: str) -> Exemplar | None:
    """Return the last notice that fell into a bucket of the latency histogram."""
    if view.totals is None or (found := view.totals.exemplars.get("|".join(path))) is None:
        return None
    labels = {"event_id": found.event_id}
    if found.trace:
        labels["trace_id"] = found.trace
    if sum(len(name) + len(value) for name, value in labels.items()) > EXEMPLAR_MAX:
        labels.pop("event_id")
    return Exemplar(labels, found.late, found.at) if labels else None


class DefaultRegistry(Collector):
    """Shows the process's default registry on a registry of an application's own."""

    def describe(self) -> Iterable[Metric]:
        """Name nothing: what is there later isn't known now."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Yield what the default registry holds."""
        return REGISTRY.collect()
