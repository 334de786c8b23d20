"""The metrics page, on prometheus-flask-exporter."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_flask_exporter import PrometheusMetrics

from ..telemetry.collector import DefaultRegistry, StoreCollector

#: Where prometheus_client's processes share files; set, the exporter serves nothing else.
_SHARED = ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")
#: A format's version that prometheus_client would trip over.
_NO_VERSION = re.compile(r"version=(?!\d{1,3}(\.\d{1,3}){0,2}\s*([;,]|$))")


def add_metrics(
    app: Flask, path: str | None, collector: StoreCollector, own: PrometheusMetrics | None
) -> None:
    """Register the collector, and the page where the application has none of its own.

    :param path: the page's path; None: no page.
    :param own: the application's exporter, with its registry and its page.
    """
    if own is not None:
        own.registry.register(collector)
        _serve_shared(own, collector)
        return
    # A registry for each application: on a shared one a second application's requests go uncounted.
    registry = CollectorRegistry()
    registry.register(collector)
    registry.register(DefaultRegistry())
    # Grouped by rule: the exporter's own default, by path, makes a series of each event's page.
    exporter = PrometheusMetrics(app, path=None, registry=registry, group_by="url_rule")
    _serve_shared(exporter, collector)
    if path is None:
        return

    def page() -> Response:
        request.prom_do_not_track = True  # type: ignore[attr-defined]
        names = request.args.getlist("name[]") or None
        body, content_type = exporter.generate_metrics(request.headers.get("Accept"), names)
        return Response(body, headers={"Content-Type": content_type})

    # A rule of our own: the exporter serves none under the development server's reloader.
    app.add_url_rule(path, "streamend_metrics", page)


def _serve_shared(exporter: PrometheusMetrics, collector: StoreCollector) -> None:
    """Have the exporter serve our figures in its multi-process mode too.

    There it makes a registry anew for each page, of what lies in files, and ours does not.
    """
    generate = exporter.generate_metrics

    def both(accept: str | None = None, names: list[str] | None = None) -> tuple[str, str]:
        if accept is not None and _NO_VERSION.search(accept):
            # Whoever asks for what is no version gets what one gets who asks for nothing.
            accept = None
        if not any(name in os.environ for name in _SHARED):
            page: tuple[str, str] = generate(accept, names)
            return page
        registry = CollectorRegistry()
        shared = CollectorRegistry()
        MultiProcessCollector(shared)
        registry.register(_Chosen((shared, collector), names))
        encode, content_type = choose_encoder(accept or "")
        return encode(registry).decode(), content_type

    exporter.generate_metrics = both


class _Chosen(Collector):
    """What several collectors yield, or of it the samples of some names."""

    def __init__(self, collectors: Iterable[Any], names: list[str] | None) -> None:
        self._collectors = tuple(collectors)
        self._names = None if names is None else frozenset(names)

    def describe(self) -> Iterable[Metric]:
        """Name nothing: this is for one page."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Yield the families, each with the samples that were asked for."""
        for collector in self._collectors:
            for family in collector.collect():
                if self._names is not None:
                    samples = [sample for sample in family.samples if sample.name in self._names]
                    if not samples:
                        continue
                    family.samples = samples
                yield family
