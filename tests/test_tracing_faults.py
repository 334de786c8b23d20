"""Traces where something fails: the mail server, a web process, the collector itself."""

from __future__ import annotations

import signal

from flask_streamend.store.redis import RedisStore

from .collector import END, NOTIFY, SEND, Collector, traced_site
from .ground import Ground
from .servers import eventually
from .smtp import Inbox, Server
from .viewers import Worker, both_workers

#: Seconds: well over twice the time between two looks of a worker.
LEASE = 8


def test_a_further_try_is_in_the_trace_and_linked(ground: Ground, collector: Collector) -> None:
    """After a mail server's 451 the next try is in the same trace, linked to the first."""
    answers = iter(["451 <host@example.org> is busy"])
    server = Server(Inbox(refuse=lambda address: next(answers, "")))
    server.start()
    site = traced_site(
        ground, collector, "again", MAIL_PORT=server.port, STREAMEND_RETRY_BACKOFF=0.2
    )
    ground.worker(site, "scheduler", queue="again")
    site.watch("twice").close()
    end, first, second, failed, sent = collector.wait("twice", END, NOTIFY, NOTIFY, SEND, SEND)
    assert {span.trace for span in (end, first, second, failed, sent)} == {end.trace}
    assert (first.parent, second.parent, failed.parent, sent.parent) == (
        *(end.id, end.id),
        *(first.id, second.id),
    )
    assert (first.links, second.links) == ([], [(first.trace, first.id)])
    assert [span.attributes["streamend.outcome"] for span in (first, second)] == ["failed", "sent"]
    assert first.attributes["streamend.reason"] == "refused"
    assert failed.attributes["error.type"] == "Deferred"
    assert [span.failed for span in (first, failed, second, sent)] == [True, True, False, False]
    server.stop()


def test_an_end_that_the_sweep_found_is_traced(ground: Ground, collector: Collector) -> None:
    """After kill -9 of the web process with its viewer, whoever tells the end traces it."""
    site = traced_site(ground, collector, "killed", STREAMEND_LEASE=LEASE)
    ground.worker(site, "tuned", queue="killed")
    viewer = site.watch("killed")
    store = RedisStore(ground.redis, "killed")
    eventually(lambda: store.status(["killed"])[0].clients == 1, "the viewer is counted")
    site.process.signal(signal.SIGKILL)
    eventually(lambda: not viewer.connected, "the viewer is cut off")
    end, notify, send = collector.wait("killed", END, NOTIFY, SEND)
    assert end.trace == notify.trace == send.trace
    assert (end.parent, notify.parent, send.parent) == ("", end.id, notify.id)


def test_a_trace_outlives_the_process_that_began_it(ground: Ground, collector: Collector) -> None:
    """After kill -9 of the web process in the grace period the job goes on in its trace."""
    site = traced_site(ground, collector, "crashed")
    site.watch("crashed~own-3").close()
    store = RedisStore(ground.redis, "crashed")
    eventually(lambda: store.status(["crashed~own-3"])[0].state == "ending", "it is ending")
    session = store.status(["crashed~own-3"])[0].session or ""
    context, _ = store.traces([("crashed~own-3", session)])[session]
    site.process.signal(signal.SIGKILL)
    ground.worker(site, "tuned", queue="crashed")
    (notify,) = collector.wait("crashed~own-3", NOTIFY)
    assert context.startswith(f"00-{notify.trace}-{notify.parent}-")


@both_workers
def test_an_end_of_a_process_that_is_gone_is_traced(
    ground: Ground, collector: Collector, worker: Worker
) -> None:
    """A web process that stops in an event's grace period sends its span of that end before."""
    name = f"stopped-{worker[1]}"
    site, event = traced_site(ground, collector, name, *worker), f"{name}~own-3"
    site.watch(event).close()
    store = RedisStore(ground.redis, name)
    eventually(lambda: store.status([event])[0].state == "ending", "it is ending")
    ground.stop_process(site.process)
    (end,) = collector.wait(event, END)
    ground.worker(site, "scheduler", queue=name)
    (notify,) = collector.wait(event, NOTIFY)
    assert (notify.trace, notify.parent) == (end.trace, end.id)


def test_a_collector_that_is_away_loses_no_notice(ground: Ground, collector: Collector) -> None:
    """Where nobody takes the spans, hosts are told all the same, one after another."""
    away = {**collector.env, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    site = ground.site(app="traced", env=away, STREAMEND_TRACING=True)
    ground.worker(site, "scheduler")
    for event in ("first", "second"):
        site.watch(event).close()
        ground.told(event)


def test_no_span_shows_what_is_private(collector: Collector) -> None:
    """Nothing of what failed above is in what was collected, not even an error's own text."""
    assert len(collector.raw) > 3
    assert collector.private() == []
