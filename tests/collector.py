"""A collector of traces: it takes what exporters send over OTLP and HTTP, and keeps it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from .ground import Ground
from .servers import Site, eventually

END, NOTIFY, SEND = "streamend.end", "streamend.notify", "streamend.send"


@dataclass(frozen=True)
class Span:
    """A span as it was received.

    :param start: seconds since the epoch.
    :param parent: the id of the span it belongs to; empty: it began the trace.
    :param links: pairs of trace id and span id.
    :param pid: of the process it came from.
    """

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    start: float
    end: float
    attributes: dict[str, Any]
    links: list[tuple[str, str]]
    failed: bool
    pid: int


class Collector:
    """A collector on a free loopback port.

    :ivar raw: every request's body.
    """

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/traces":
                    collector.raw.append(body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def env(self) -> dict[str, str]:
        """Return the variables by which an SDK finds it, soon, and names its process."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "process",
            "OTEL_SERVICE_NAME": "tests",
        }

    def all_spans(self) -> list[Span]:
        """Return every span so far."""
        return [span for body in self.raw.copy() for span in _spans(body)]

    def spans(self, event_id: str) -> list[Span]:
        """Return the spans about an event so far, in the order of their starts."""
        every = self.all_spans()
        ours = [span for span in every if span.attributes.get("streamend.event_id") == event_id]
        return sorted(ours, key=lambda span: span.start)

    def wait(self, event_id: str, *names: str) -> list[Span]:
        """Wait for an event's spans by their names, and return them in this order."""

        def all_there() -> list[Span]:
            left = self.spans(event_id)
            found = []
            for name in names:
                span = next((span for span in left if span.name == name), None)
                if span is None:
                    return []
                left.remove(span)
                found.append(span)
            return found

        return eventually(all_there, f"{names} of {event_id}: {self.spans(event_id)}")

    def private(self) -> list[bytes]:
        """Return what was received and should never be sent: of addresses, names and links."""
        everything = b"".join(self.raw)
        secrets = (b"host@example.org", b"live@example.org", b"The ", b"live.example.org")
        return [secret for secret in secrets if secret in everything]

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _spans(body: bytes) -> Iterator[Span]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        process = {a.key: _value(a.value) for a in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.kind,
                    span.start_time_unix_nano / 1e9,
                    span.end_time_unix_nano / 1e9,
                    {a.key: _value(a.value) for a in span.attributes},
                    [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
                    span.status.code == span.status.STATUS_CODE_ERROR,
                    int(process.get("process.pid", 0)),
                )


def _value(value: AnyValue) -> Any:
    which = value.WhichOneof("value")
    return None if which is None else getattr(value, which)


def traced_site(ground: Ground, collector: Collector, name: str, *args: str, **config: Any) -> Site:
    """Start a site that traces, with a namespace and a queue of its own."""
    return ground.site(
        *args,
        app="traced",
        env=collector.env,
        STREAMEND_TRACING=True,
        STREAMEND_NAMESPACE=name,
        STREAMEND_QUEUE=name,
        **config,
    )
