"""One end's trace, collected over OTLP from every kind of process that has a part in it."""

from __future__ import annotations

import json
import os
import urllib.request
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from flask_streamend.store.redis import RedisStore
from flask_streamend.telemetry import spans

from .apps.pages import ROOT, marked
from .collector import END, NOTIFY, SEND, Collector, Span, traced_site
from .ground import Ground
from .servers import Process, Site, eventually
from .test_drain import PRELOAD

#: OTLP's numbers of the kinds.
KINDS = {"client": 3, "producer": 4, "consumer": 5}
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


#: Each worker, beside a web server that starts its processes in another way.
SERVERS = {
    "scheduler": ("-k", "gevent"),
    "preloaded": ("-k", "gthread", "--threads", "8"),
    "tuned": ("-k", "gevent", *PRELOAD),
}


@pytest.fixture(scope="module", params=sorted(SERVERS))
def parts(
    request: pytest.FixtureRequest, ground: Ground, collector: Collector
) -> tuple[str, Site, Process]:
    """Return a site and a worker of each kind in turn."""
    kind: str = request.param
    site = traced_site(ground, collector, kind, *SERVERS[kind])
    return kind, site, ground.worker(site, kind, queue=kind)


@pytest.fixture(scope="module")
def whole(parts: tuple[str, Site, Process], collector: Collector) -> list[Span]:
    """Return the spans of one end: end, notify, send."""
    kind, site, _ = parts
    site.watch(f"whole-{kind}").close()
    return collector.wait(f"whole-{kind}", END, NOTIFY, SEND)


def test_one_end_is_one_trace(whole: list[Span]) -> None:
    """The spans of the web process and of the job share a trace, each within the one before."""
    end, notify, send = whole
    assert end.trace == notify.trace == send.trace
    assert (end.parent, notify.parent, send.parent) == ("", end.id, notify.id)
    assert [span.kind for span in whole] == [KINDS[kind.kind] for kind in spans.ALL]
    assert end.start < end.end <= notify.start <= send.start < send.end <= notify.end
    assert not any(span.failed for span in whole)


def test_each_span_comes_from_its_process(
    whole: list[Span], parts: tuple[str, Site, Process]
) -> None:
    """The end's is the web process's, the others the worker's: of its fork, where it forks."""
    end, notify, send = whole
    kind, _, worker = parts
    assert end.pid != notify.pid == send.pid
    assert os.getpgid(end.pid) != worker.popen.pid
    if kind != "preloaded":  # some SDKs name a fork by the process that loaded them
        assert (notify.pid == worker.popen.pid) == (kind == "tuned")


def test_spans_say_what_they_are_about(
    whole: list[Span], parts: tuple[str, Site, Process], ground: Ground
) -> None:
    """Each span has the attributes of its kind, and no other; the job is a message on a queue."""
    kind, _, _ = parts
    for span, type_ in zip(whole, spans.ALL, strict=True):
        assert set(span.attributes) <= set(type_.attributes)
        assert span.attributes["streamend.event_id"] == f"whole-{kind}"
    assert len({span.attributes["streamend.session"] for span in whole}) == 1
    end, notify, send = (span.attributes for span in whole)
    for job in (end, notify):
        assert (job["messaging.system"], job["messaging.destination.name"]) == ("rq", kind)
    assert (end["messaging.operation.type"], notify["messaging.operation.type"]) == (
        "send",
        "process",
    )
    assert notify["messaging.message.id"].startswith(f"{kind}-")
    assert (notify["streamend.outcome"], notify["streamend.attempt"]) == ("sent", 1)
    assert (notify["streamend.channel"], send["streamend.channel"]) == ("email", "email")


def test_the_end_is_linked_to_the_request_of_who_left_last(
    whole: list[Span], collector: Collector
) -> None:
    """The end's span is linked to the span in which the last viewer's socket was held."""
    ((trace, span),) = whole[0].links
    requests = eventually(
        lambda: [s for s in collector.all_spans() if (s.trace, s.id) == (trace, span)],
        "the request's span",
    )
    assert requests[0].name == "request"
    assert trace != whole[0].trace


def test_an_exemplar_names_the_trace(whole: list[Span], parts: tuple[str, Site, Process]) -> None:
    """The latency histogram on the metrics page has an exemplar with the end's trace id."""
    kind, site, _ = parts
    request = urllib.request.Request(
        f"http://127.0.0.1:{site.port}/metrics", headers={"Accept": OPEN_METRICS}
    )

    def named() -> list[dict[str, str]]:
        with urllib.request.urlopen(request, timeout=10) as page:
            families = list(text_string_to_metric_families(page.read().decode()))
        samples = (sample for family in families for sample in family.samples)
        return [s.exemplar.labels for s in samples if s.exemplar is not None]

    assert {"event_id": f"whole-{kind}", "trace_id": whole[0].trace} in named()


def test_log_lines_carry_the_trace(whole: list[Span], parts: tuple[str, Site, Process]) -> None:
    """What web process and worker log of an end has its event's id and its trace's."""
    kind, site, worker = parts
    for process, begin, span in (
        (site.process, "Scheduled event end notification", whole[0]),
        (worker, "Event end notification scheduled", whole[1]),
    ):
        (line,) = (
            record
            for record in records(process)
            if record["message"].startswith(begin) and record["event_id"] == f"whole-{kind}"
        )
        assert (line["trace_id"], line["span_id"]) == (span.trace, span.id)
        assert (line["level"], line["logger"]) == ("INFO", "flask_streamend")
        assert line["session"] == span.attributes["streamend.session"]
    shown = marked(ROOT / "docs" / "tracing.md", "shows", "record").body
    assert list(json.loads(shown)) == list(line)


def records(process: Process) -> list[dict[str, Any]]:
    """Return the log lines of a process that are JSON."""
    lines = (line for line in process.output().splitlines() if line.startswith("{"))
    return [json.loads(line) for line in lines]


def test_who_comes_back_leaves_no_trace(
    parts: tuple[str, Site, Process], ground: Ground, collector: Collector
) -> None:
    """An end that somebody's return cancelled is not traced, here or in another process."""
    kind, site, _ = parts
    other = traced_site(ground, collector, kind)
    store, event = RedisStore(ground.redis, kind), f"back-{kind}"

    def becomes(state: str) -> None:
        eventually(lambda: store.status([event])[0].state == state, f"{event} is {state}")

    # So that nothing is decided meanwhile, however slow this machine is.
    store.hold(600_000)
    viewer = site.watch(event)
    for back_at in (site, other, site):
        becomes("live")
        viewer.close()
        becomes("ending")
        viewer = back_at.watch(event)
    becomes("live")
    viewer.close()
    becomes("ending")
    store.hold(0)
    end, notify = collector.wait(event, END, NOTIFY)
    assert (notify.trace, notify.parent) == (end.trace, end.id)
    assert [span.name for span in collector.spans(event)].count(END) == 1
    ground.stop_process(other.process)


def test_an_end_that_was_ordered_from_a_shell_is_traced(
    parts: tuple[str, Site, Process], collector: Collector, ground: Ground
) -> None:
    """``flask streamend end`` begins the trace, and sends its span before it is done."""
    kind, site, _ = parts
    event = f"ordered-{kind}"
    viewer = site.watch(event)
    store = RedisStore(ground.redis, kind)
    eventually(lambda: store.status([event])[0].clients == 1, "the viewer is counted")
    done = ground.command(site.env, "end", event)
    assert done[0] == 0, done
    end, notify = collector.wait(event, END, NOTIFY)
    assert (notify.trace, notify.parent, notify.attributes["streamend.outcome"]) == (
        *(end.trace, end.id),
        "sent",
    )
    assert end.attributes["streamend.session"] == notify.attributes["streamend.session"]
    eventually(lambda: not viewer.connected, "its viewer was let go")


def test_no_span_shows_what_is_private(collector: Collector) -> None:
    """Nothing that was collected by the tests above holds an address, an event's name or a link."""
    assert len(collector.raw) > 3
    assert collector.private() == []
