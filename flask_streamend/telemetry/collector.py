"""The Prometheus collector: a view of the store, read at the scrape.

So the figures are true whichever process answers, forked workers' doings included, and a series
goes with its event.
"""

from __future__ import annotations

from collections import Counter as Bag
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from prometheus_client import Metric
from prometheus_client.core import (
    REGISTRY,
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from ..errors import StoreError
from ..store.base import LATENCY_BOUNDS, LATENCY_BOUNDS_MS
from ..store.interface import Store
from .names import CLIENTS, COUNTERS, EVENT_CLIENTS, LATENCY, OTHER

if TYPE_CHECKING:
    from ..presence import Presence
    from .tally import Tally

#: Seconds to wait for this process's own last changes to be reported.
SETTLE = 0.3


class Own(Protocol):
    """What a process holds; in a fork, another presence than before."""

    @property
    def presence(self) -> Presence:
        """Return this process's viewers."""

    @property
    def tally(self) -> Tally:
        """Return this process's counts."""


@dataclass(frozen=True)
class _View:
    """What one page shows.

    :param counters: the counters; None where they were never read.
    :param named: viewers of the events that have a series of their own.
    :param clients: viewers of all events.
    :param events: events that are live or ending.
    """

    counters: Mapping[str, int] | None
    named: Mapping[str, int]
    clients: int
    events: int


class StoreCollector(Collector):
    """Yields this extension's metrics from one reading of the store.

    :param store: a store that answers, or fails, within half a second.
    :param max_events: events with a series of their own.
    :param own: what this process holds: reported before the page is read, and shown instead of it
        while the store is away.
    """

    def __init__(
        self,
        store: Store,
        max_events: int,
        own: Own,
    ) -> None:
        self._store = store
        self._max_events = max_events
        self._own = own
        self._last: Mapping[str, int] | None = None

    def describe(self) -> Iterable[Metric]:
        """Name the families without asking the store: a registry asks this at the start."""
        return self._families(_View(None, {}, 0, 0))

    def collect(self) -> Iterable[Metric]:
        """Read the store once; while it is away, gauges are this process's own."""
        try:
            self._own.presence.settle(SETTLE)
            totals = self._store.totals(self._max_events)
        except StoreError:
            own = self._own.presence.counts()
            busiest = sorted(own.items(), key=lambda item: -item[1])[: self._max_events]
            return self._families(_View(self._last, dict(busiest), sum(own.values()), len(own)))
        self._last = Bag(totals.counters) + Bag(self._own.tally.pending())
        events = totals.live + totals.ending
        return self._families(_View(self._last, dict(totals.busiest), totals.clients, events))

    def _families(self, view: _View) -> list[Metric]:
        counters = view.counters
        events = GaugeMetricFamily(*EVENT_CLIENTS, labels=["event_id"])
        for event_id, count in view.named.items():
            events.add_metric([event_id], count)
        if view.events > len(view.named):
            events.add_metric([OTHER], view.clients - sum(view.named.values()))
        families: list[Metric] = [events, GaugeMetricFamily(*CLIENTS, value=view.clients)]
        for definition in COUNTERS:
            family = CounterMetricFamily(
                definition.name, definition.help, labels=definition.label_names
            )
            if counters is not None:
                for values in definition.combinations():
                    family.add_metric(values, counters.get(definition.field(*values), 0))
            families.append(family)
        families.append(self._latency(counters))
        return families

    @staticmethod
    def _latency(counters: Mapping[str, int] | None) -> Metric:
        family = HistogramMetricFamily(LATENCY.name + "_seconds", LATENCY.help, labels=["channel"])
        for (channel,) in LATENCY.combinations() if counters is not None else []:
            assert counters is not None
            total, buckets = 0, []
            for bound, ms in zip(LATENCY_BOUNDS, LATENCY_BOUNDS_MS, strict=True):
                total += counters.get(LATENCY.field(channel, str(ms)), 0)
                buckets.append((floatToGoString(bound), total))
            count = counters.get(LATENCY.field(channel, "count"), 0)
            buckets.append(("+Inf", count))
            family.add_metric(
                [channel], buckets, counters.get(LATENCY.field(channel, "sum"), 0) / 1000
            )
        return family


class DefaultRegistry(Collector):
    """Shows the process's default registry on a registry of an application's own."""

    def describe(self) -> Iterable[Metric]:
        """Name nothing: what is there later isn't known now."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Yield what the default registry holds."""
        return REGISTRY.collect()
