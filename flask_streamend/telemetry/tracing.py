"""OpenTelemetry's API as this package uses it: is anybody listening, and the spans of a job.

Spans go to whichever SDK the application, its launcher or :mod:`otel` set up. Where none is,
nothing is begun, kept or stored. A trace's context lies in the store as W3C's ``traceparent``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from logging import LogRecord
from typing import Any, NamedTuple, TypeVar

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from rq import get_current_job

from .._version import __version__
from ..store.deliveries import Delivery
from . import spans
from .logs import ids, log

T = TypeVar("T")

#: Seconds a forked worker waits at the most for its spans to have left.
FLUSH = 3.0

_KINDS = {
    "producer": trace.SpanKind.PRODUCER,
    "consumer": trace.SpanKind.CONSUMER,
    "client": trace.SpanKind.CLIENT,
}
_W3C = TraceContextTextMapPropagator()


def on() -> bool:
    """Return whether an SDK is set up that spans go to."""
    provider = trace.get_tracer_provider()
    return not isinstance(provider, (trace.ProxyTracerProvider, trace.NoOpTracerProvider))


def start(
    kind: spans.SpanType,
    parent: str,
    attributes: dict[str, Any],
    links: list[trace.SpanContext] | None = None,
    at: int | None = None,
) -> trace.Span:
    """Start a span.

    :param parent: the context it belongs to, as ``traceparent``; empty: it begins a trace.
    :param links: contexts it is linked to; those that are none are left out.
    :param at: when it began, in nanoseconds since the epoch; None: now.
    """
    return trace.get_tracer("flask_streamend", __version__).start_span(
        kind.name,
        context=_context(parent),
        kind=_KINDS[kind.kind],
        attributes=attributes,
        links=[trace.Link(context) for context in links or () if context.is_valid],
        start_time=at,
    )


def traceparent(span: trace.Span) -> str:
    """Return a span's context as it is stored; empty where nothing is traced."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(span, Context()))
    return carrier.get("traceparent", "")


def here() -> trace.SpanContext:
    """Return the context of the span this runs in."""
    return trace.get_current_span().get_span_context()


def _context(parent: str) -> Context:
    return _W3C.extract({"traceparent": parent} if parent else {}, Context())


def _span_context(parent: str) -> trace.SpanContext:
    return trace.get_current_span(_context(parent)).get_span_context()


def carried(call: Callable[[], T]) -> Callable[[], T]:
    """Return a call that belongs to the span this runs in, for another thread to make."""
    if not on():
        return call
    context = get_current()

    def within() -> T:
        token = attach(context)
        try:
            return call()
        finally:
            detach(token)

    return within


def correlate(record: LogRecord) -> bool:
    """Have a log record carry the ids of the span it was written in: a filter, of nothing."""
    if not hasattr(record, "trace_id") and on():
        record.__dict__.update(ids(traceparent(trace.get_current_span())))
    return True


class Traced(NamedTuple):
    """A try to tell a host, as it is traced.

    :param trace_id: its trace's, where that is kept; for exemplars.
    :param context: its span's, as it is stored; empty where nothing is traced.
    """

    trace_id: str = ""
    context: str = ""


@contextmanager
def notifying(delivery: Delivery, channel: str) -> Iterator[None]:
    """Trace a try to tell a host, in its end's trace; a further one is linked to the one before."""
    if not on():
        yield
        return
    parent = delivery.trace or delivery.tried or _found(delivery)
    attributes = _attributes(delivery, channel) | _message()
    before = [_span_context(delivery.tried)] if delivery.tried else []
    with _current(start(spans.NOTIFY, parent, attributes, before)):
        yield


@contextmanager
def sending(
    delivery: Delivery, channel: str, harmless: tuple[type[Exception], ...]
) -> Iterator[None]:
    """Trace a channel's exchange, within the try.

    :param harmless: what may be raised without that the channel failed.
    """
    if not on():
        yield
        return
    with _current(start(spans.SEND, traced().context, _attributes(delivery, channel))) as span:
        try:
            yield
        except harmless:
            raise
        except Exception as error:
            span.set_attribute(spans.ERROR_TYPE, type(error).__qualname__)
            span.set_status(trace.StatusCode.ERROR)
            raise


def by(channel: str) -> None:
    """Note by which channel the try goes that this runs in."""
    if on():
        trace.get_current_span().set_attribute(spans.CHANNEL, channel)


def settled(outcome: str, reason: str) -> Traced:
    """Note how the try went that this runs in.

    :param reason: why, in one word; or an empty text.
    """
    if on():
        span = trace.get_current_span()
        span.set_attribute(spans.OUTCOME, outcome)
        if reason:
            span.set_attribute(spans.REASON, reason)
        if outcome in ("failed", "dead"):
            span.set_status(trace.StatusCode.ERROR)
    return traced()


def traced() -> Traced:
    """Return how the try that this runs in is traced."""
    if not on():
        return Traced()
    kept = here().trace_flags.sampled
    trace_id = trace.format_trace_id(here().trace_id) if kept else ""
    return Traced(trace_id, traceparent(trace.get_current_span()))


def _current(span: trace.Span) -> AbstractContextManager[trace.Span]:
    """Make a span the current one until it ends; no error's text: it may show an address."""
    return trace.use_span(span, True, record_exception=False, set_status_on_exception=False)


def _found(delivery: Delivery) -> str:
    """Begin the trace of an end that nobody who saw its last viewer go lived to trace."""
    attributes = {spans.EVENT_ID: delivery.event_id, spans.SESSION: delivery.session}
    span = start(spans.END, "", attributes)
    span.end()
    return traceparent(span)


def _attributes(delivery: Delivery, channel: str) -> dict[str, Any]:
    return {
        spans.EVENT_ID: delivery.event_id,
        spans.SESSION: delivery.session,
        spans.CHANNEL: channel,
        spans.ATTEMPT: delivery.attempts + 1,
    }


def _message() -> dict[str, Any]:
    """Return the job that is worked on, in the words of the messaging conventions."""
    job = get_current_job()
    if job is None:
        return {}
    return {
        spans.SYSTEM: "rq",
        spans.OPERATION: "ring",
        spans.OPERATION_TYPE: "process",
        spans.DESTINATION: job.origin,
        spans.MESSAGE_ID: job.id,
    }


def flush() -> None:
    """Have the spans leave this process now, which is about to end without ceremony.

    The SDK would wait for a collector that is away as long as its exporter does.
    """
    force = getattr(trace.get_tracer_provider(), "force_flush", None)
    if force is None or not on():
        return
    thread = threading.Thread(target=force, name="flask_streamend.flush", daemon=True)
    thread.start()
    thread.join(FLUSH)
    if thread.is_alive():
        log.warning("Spans did not leave within %g s: is the collector there?", FLUSH)
