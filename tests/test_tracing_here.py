"""What tracing costs where it is off, and how it is switched on: each in a Python of its own."""

from __future__ import annotations

from typing import Any

import pytest

from .test_importing import python
from .test_rq_names import SOURCES

#: Somebody watches and leaves; then what is loaded, and what lies with session and job.
OFF = """\
import json, sys
from tests.apps.local import make_app, state

app = make_app(sys.argv[1])
parts = state(app)
with app.app_context(), parts.extension.viewing("jam"):
    parts.flush()
parts.flush()
from rq import Queue
from rq.registry import ScheduledJobRegistry
registry = ScheduledJobRegistry("default", connection=parts.redis)
(job,) = [Queue("default", connection=parts.redis).fetch_job(i) for i in registry.get_job_ids()]
(session,) = parts.redis.hvals(parts.store.keys.sessions)
print(json.dumps([
    "flask_streamend.telemetry.otel" in sys.modules,
    sorted(json.loads(session)),
    sorted(job.meta),
]))
"""

#: The application's own SDK, and what its exporter got of one end of each kind.
OWN = """\
import json, sys, threading
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)

from tests.apps.local import make_app, state

class Channel:
    name = "email"
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def send(self, notice): pass

app = make_app("memory://", STREAMEND_DELAY=0, MAIL_SUPPRESS_SEND=True)
parts = state(app)
with app.app_context():
    streamend = parts.extension
    with streamend.viewing("viewed"):
        parts.flush()
    parts.flush()
    streamend.join("guest", "ann")
    streamend.leave("guest", "ann")
    streamend.schedule_end("scheduled", 0)
    with streamend.viewing("stopped"):
        parts.flush()
        streamend.end_event("stopped")
wanted = {"viewed", "guest", "scheduled", "stopped"}
def found():
    parts.keeper.start()
    return {s.attributes["streamend.event_id"] for s in spans.get_finished_spans()
            if s.name == sys.argv[1]}
while found() != wanted:
    threading.Event().wait(0.02)
by_event = {}
for span in spans.get_finished_spans():
    key = span.attributes["streamend.event_id"]
    by_event.setdefault(key, []).append((span.name, format(span.context.trace_id, "032x")))
print(json.dumps(by_event))
"""

#: Viewers of a process that died, and a channel that fails once.
FOUND = """\
import json
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)

from tests.apps.local import load_event, make_app, state
from tests.apps.store import Web

app = make_app("memory://", MAIL_PORT=1, STREAMEND_RETRY_BACKOFF=0.01)
parts = state(app)
within = []

@parts.extension.event_loader
def load(event_id):
    within.append(trace.get_current_span().get_span_context())
    return load_event(event_id)

Web(parts.store, "dead").set("jam", 1)
parts.store.reap("dead", goodbye=True)
def tries():
    return [span for span in spans.get_finished_spans() if span.name == "streamend.notify"]
with app.app_context():
    while len(tries()) < 2:
        parts.deliverer.deliver_due()
(end,) = [span for span in spans.get_finished_spans() if span.name == "streamend.end"]
first, second = tries()[:2]
def ids(context):
    return [context.trace_id, context.span_id]
print(json.dumps([ids(end.context), ids(first.parent), ids(first.context), ids(second.parent),
                  [ids(link.context) for link in second.links], ids(within[0])]))
"""

#: An end with three channels, of which two are a class each, that nobody lived to trace.
CHANNELS = """\
import json
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)

from flask import Flask
from flask_streamend import StreamEnd
from tests.apps.local import state
from tests.apps.store import Web
from tests.apps.wishes import load_event

class Channel:
    def __init__(self, name): self.name = name
    def send(self, notice): pass

app = Flask("local")
app.config.update(STREAMEND_REDIS_URL="memory://", MAIL_DEFAULT_SENDER="live@example.org",
                  MAIL_SUPPRESS_SEND=True)
StreamEnd(app, event_loader=load_event, channels=[Channel("hook"), Channel("other")])
parts = state(app)
Web(parts.store, "dead").set("jam~by-email.hook.other", 1)
parts.store.reap("dead", goodbye=True)
def tries():
    return [span for span in spans.get_finished_spans() if span.name == "streamend.notify"]
with app.app_context():
    while len(tries()) < 3:
        parts.deliverer.deliver_due()
print(json.dumps([[span.attributes["streamend.channel"], format(span.context.trace_id, "032x"),
                   span.attributes["streamend.outcome"]] for span in tries()]))
"""

SET_UP = """\
import json, sys
from tests.apps.local import make_app
try:
    make_app("memory://", STREAMEND_TRACING=True)
except Exception as error:
    print(json.dumps([type(error).__name__, str(error)]))
else:
    from opentelemetry import trace
    from flask_streamend.telemetry import tracing
    provider = trace.get_tracer_provider()
    processors = [] if not tracing.on() else provider._active_span_processor._span_processors
    print(json.dumps([tracing.on(), len(processors)]))
"""

HANGING = """\
import json, logging, threading
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, BatchSpanProcessor

class Hanging(SpanExporter):
    def export(self, spans):
        threading.Event().wait()

provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(BatchSpanProcessor(Hanging()))
trace.set_tracer_provider(provider)
from flask_streamend.telemetry import tracing
from flask_streamend.telemetry.logs import log

lines = []
handler = logging.Handler()
handler.emit = lambda record: lines.append(record.getMessage())
log.addHandler(handler)
tracing.FLUSH = 0.2
trace.get_tracer("tests").start_span("never").end()
tracing.flush()
print(json.dumps(lines))
"""


def test_off_it_loads_and_stores_nothing(redis_url: str) -> None:
    """By default no SDK is loaded by us, and neither session nor job has a word of traces."""
    loaded, session, meta = python(OFF, redis_url)
    assert not loaded
    # (Others may load it for themselves, as redis-py does.)
    ours = (path for path in SOURCES if "from opentelemetry.sdk" in path.read_text())
    assert [path.name for path in ours] == ["otel.py"]
    assert session == ["delay", "emptied", "id", "left", "peak", "started"]
    assert meta == ["due"]


@pytest.mark.parametrize("name", ["streamend.end", "streamend.notify"])
def test_an_application_s_own_sdk_is_used(name: str) -> None:
    """Spans of every kind of end go to the provider that the application set up, unasked."""
    spans: dict[str, Any] = python(OWN, name)
    assert set(spans) == {"viewed", "guest", "scheduled", "stopped"}
    for found in spans.values():
        assert [kind for kind, _ in found].count(name) == 1
        assert len({trace for _, trace in found}) == 1


def test_an_end_without_a_context_keeps_the_one_it_is_given() -> None:
    """Who tells an end nobody lived to trace begins its trace; the next try belongs to it too."""
    end, first_parent, first, second_parent, links, _ = python(FOUND)
    assert first_parent == end
    assert second_parent == first
    assert links == [first]
    assert {trace for trace, _ in (end, first)} == {end[0]}


def test_the_event_loader_runs_within_the_try() -> None:
    """What the application's loader does, in another thread, belongs to the try's span."""
    _, _, first, _, _, within = python(FOUND)
    assert within == first


def test_each_channel_has_a_span_in_the_end_s_trace() -> None:
    """One try for each channel, with its own outcome, all in one trace."""
    spans = python(CHANNELS)
    assert [(channel, outcome) for channel, _, outcome in spans] == [
        ("email", "skipped"),
        ("hook", "sent"),
        ("other", "sent"),
    ]
    assert len({trace for _, trace, _ in spans}) == 1


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, [True, 1]),
        ({"OTEL_TRACES_EXPORTER": "none"}, [True, 0]),
        ({"OTEL_TRACES_EXPORTER": "otlp,console"}, [True, 2]),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, [True, 1]),
        ({"OTEL_SDK_DISABLED": "true"}, [False, 0]),
    ],
)
def test_the_sdk_is_set_up_from_its_variables(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: list[object]
) -> None:
    """STREAMEND_TRACING sets up what OpenTelemetry's own variables ask for; OTLP by default."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert python(SET_UP) == expected


def test_an_exporter_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exporter that is not installed stops ``init_app``, with the cure."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "nonsense")
    kind, text = python(SET_UP)
    assert kind == "ConfigurationError"
    assert "'nonsense'" in text
    assert "pip install 'flask-streamend[otlp]'" in text


def test_a_collector_that_hangs_keeps_no_worker() -> None:
    """A fork waits for its spans for a bounded time, and says that they did not leave."""
    (line,) = python(HANGING)
    assert line.startswith("Spans did not leave within 0.2 s")
