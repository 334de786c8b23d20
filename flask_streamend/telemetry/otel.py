"""Setting up OpenTelemetry's SDK: loaded where STREAMEND_TRACING is True, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import entry_points

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from ..errors import ConfigurationError
from . import tracing

#: OTEL_EXPORTER_OTLP_PROTOCOL's values, and the exporters' names.
_PROTOCOLS = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}


def set_up() -> None:
    """Set up the SDK from the standard OTEL_* variables; one that is there already is left alone.

    :raises ConfigurationError: where an exporter is not installed.
    """
    if tracing.on() or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    exporters = list(_exporters())
    provider = TracerProvider()
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def _exporters() -> Iterator[SpanExporter]:
    for name in (os.environ.get("OTEL_TRACES_EXPORTER") or "otlp").split(","):
        wanted = name.strip()
        if wanted == "none":
            continue
        found = entry_points(group="opentelemetry_traces_exporter", name=_entry(wanted))
        if not found:
            raise ConfigurationError(
                f"STREAMEND_TRACING is True, and no exporter of the name {_entry(wanted)!r} is"
                " installed: pip install 'flask-streamend[otlp]', or name another one in"
                " OTEL_TRACES_EXPORTER"
            )
        yield next(iter(found)).load()()


def _entry(name: str) -> str:
    """Return the name an exporter is installed by; OTLP's is one for each protocol."""
    if name != "otlp":
        return name
    protocol = (
        os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        or "http/protobuf"
    )
    return _PROTOCOLS.get(protocol, protocol)
