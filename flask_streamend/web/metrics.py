"""The metrics page, on prometheus-flask-exporter."""

from __future__ import annotations

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry
from prometheus_flask_exporter import PrometheusMetrics

from ..telemetry.collector import DefaultRegistry, StoreCollector


def add_metrics(
    app: Flask, path: str | None, collector: StoreCollector, own: PrometheusMetrics | None
) -> None:
    """Register the collector, and the page where the application has none of its own.

    :param path: the page's path; None: no page.
    :param own: the application's exporter, with its registry and its page.
    """
    if own is not None:
        own.registry.register(collector)
        return
    # A registry for each application: on a shared one a second application's requests go uncounted.
    registry = CollectorRegistry()
    registry.register(collector)
    registry.register(DefaultRegistry())
    # Grouped by rule: the exporter's own default, by path, makes a series of each event's page.
    exporter = PrometheusMetrics(app, path=None, registry=registry, group_by="url_rule")
    if path is None:
        return

    def page() -> Response:
        request.prom_do_not_track = True  # type: ignore[attr-defined]
        names = request.args.getlist("name[]") or None
        body, content_type = exporter.generate_metrics(request.headers.get("Accept"), names)
        return Response(body, headers={"Content-Type": content_type})

    # A rule of our own: the exporter serves none under the development server's reloader.
    app.add_url_rule(path, "streamend_metrics", page)
