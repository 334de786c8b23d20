"""The alarm as RQ keeps and runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from redis.connection import Connection
from rq import Queue, SimpleWorker
from rq.job import Job
from rq.registry import FailedJobRegistry, ScheduledJobRegistry

from flask_streamend import jobs
from flask_streamend.alarms import JOB_TIMEOUT, RING, RQAlarms, options, other_id
from flask_streamend.ending import Alarm
from flask_streamend.errors import StoreError
from flask_streamend.notices.attempts import lease_of
from flask_streamend.notices.deliverer import BUDGET
from flask_streamend.sealing import Sealer, keys_for
from flask_streamend.store.base import Look, Reported
from flask_streamend.store.redis import RedisStore
from flask_streamend.worker import Introduced

from .apps.local import NO_REDIS, make_app, state
from .apps.store import Web, texts
from .commands import commands
from .servers import Mailbox, eventually
from .smtp import ScriptedServer

HOUR = 3_600_000
TRACE = f"00-{'1' * 32}-{'2' * 16}-01"


@pytest.fixture
def app(redis_url: str, mailbox: Mailbox) -> Flask:
    """Return an application with a store and a mail server."""
    return make_app(redis_url, MAIL_PORT=mailbox.port)


@pytest.fixture
def alarms(app: Flask) -> RQAlarms:
    """Return that application's alarms."""
    alarms = state(app).alarms
    assert isinstance(alarms, RQAlarms)
    return alarms


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Put back the handlers that an RQ worker in this process sets."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def work(redis: Redis, app: Flask | None = None) -> None:
    """Run what is queued now with RQ's own worker, within an application's context if given."""
    worker = SimpleWorker([Queue("default", connection=redis)], connection=redis)
    with app.app_context() if app else nullcontext():
        worker.work(burst=True, logging_level="WARNING")


def ending(app: Flask, event: str, delay: int = 0) -> Reported:
    """Have somebody watch an event and leave; return how it stands."""
    web = Web(state(app).store, f"of-{event}", delay)
    web.set(event, 1)
    return web.set(event, 0)


def ring_now(app: Flask, event: str = "jam", delay: int = 0) -> Reported:
    """Have an event end after a delay, and its alarm in the queue at once."""
    report = ending(app, event, delay)
    assert report.due is not None
    state(app).alarms.ring(Alarm(event, report.session, report.due, 0))
    if not delay:
        eventually(lambda: state(app).store.look(None).ready, "the event is due")
    return report


def scheduled(redis: Redis) -> list[Job]:
    """Return the jobs that RQ's scheduler will find, which means: with id and content."""
    ids = ScheduledJobRegistry("default", connection=redis).get_job_ids()
    return [job for job in Job.fetch_many(ids, connection=redis) if job is not None]


def failures(redis: Redis) -> list[str]:
    """Return why jobs failed."""
    ids = FailedJobRegistry("default", connection=redis).get_job_ids()
    found = []
    for job in Job.fetch_many(ids, connection=redis):
        result = job.latest_result() if job else None
        assert result is not None
        found.append(str(result.exc_string))
    return found


def test_the_job_is_a_wire_format(alarms: RQAlarms, redis: Redis, app: Flask) -> None:
    """Function, arguments and meta never change: jobs of older versions lie in queues."""
    alarms.arm([Alarm("jam", "5e55", 1_700_000_000_123, 60_000)])
    (job,) = scheduled(redis)
    assert RING == job.func_name == "flask_streamend.jobs.ring"
    namespace, sealed = job.args
    assert (namespace, job.kwargs, job.meta) == ("streamend", {}, {"due": 1_700_000_000_123})
    assert state(app).sealer.unseal(sealed) == ("jam", "5e55")
    assert (job.id, job.origin, job.result_ttl) == ("streamend-5e55", "default", 0)
    assert job.func is jobs.ring


def test_a_job_of_the_first_version_still_rings(app: Flask, redis: Redis, mailbox: Mailbox) -> None:
    """A job enqueued by hand, as version 0.1.0 wrote it, has the host told."""
    report = ending(app, "jam")
    eventually(lambda: state(app).store.look(None).ready, "the event is due")
    (key,) = keys_for((), "tests")
    sealed = Sealer((key,)).seal("jam", report.session)
    queue = Queue("default", connection=redis)
    queue.enqueue("flask_streamend.jobs.ring", "streamend", sealed, meta={"due": report.due})
    work(redis, app)
    assert mailbox.wait(1)[0].message["To"] == "host@example.org"
    assert failures(redis) == []


def test_rq_s_own_time_out_breaks_into_no_exchange() -> None:
    """The last exchange that a deliverer's budget allows ends before, however slow it may be."""
    slowest = make_app("memory://", STREAMEND_MAIL_TIMEOUT=300)
    channels = state(slowest).deliverer.channels.values()
    longest = max(lease_of(channel) for channel in channels) / 1000
    assert BUDGET + longest < JOB_TIMEOUT


@pytest.mark.parametrize("namespace", ["streamend", "shop:live.eu-1", "a_b", "...:::"])
def test_job_ids_are_in_rq_s_alphabet(namespace: str) -> None:
    """Whatever the namespace holds, a job's id is of letters, digits, ``_`` and ``-``."""
    alarms = state(make_app(NO_REDIS, STREAMEND_NAMESPACE=namespace)).alarms
    assert isinstance(alarms, RQAlarms)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", alarms.job_id("5e55"))
    assert alarms.job_id("5e55") != alarms.job_id("5e56")


def test_a_job_shows_no_event(alarms: RQAlarms, redis: Redis) -> None:
    """Nothing RQ keeps of a job, key or value, holds the event's id in the clear."""
    alarms.arm([Alarm("secret-gig", "5e55", 1_700_000_000_123, 60_000)])
    alarms.ring(Alarm("secret-gig", "5e56", 1_700_000_000_123, 0))
    names = redis.keys("*")
    assert len(scheduled(redis)) == 1
    assert len(names) >= 4
    everything = b"".join(redis.dump(name) or b"" for name in names)
    assert "secret-gig" not in "".join(texts(names))
    assert b"secret-gig" not in everything
    jobs_found = [job.to_dict() for job in scheduled(redis)]
    assert "secret-gig" not in repr(jobs_found)


def test_an_alarm_has_the_host_told(app: Flask, redis: Redis, mailbox: Mailbox) -> None:
    """A ring for what is due sends the mail and leaves no job behind."""
    ring_now(app)
    work(redis, app)
    assert mailbox.wait(1)[0].message["Subject"] == "Event Stream Ended - The jam"
    assert not [key for key in texts(redis.keys("rq:*")) if ":job:" in key or ":results:" in key]
    counters = state(app).store.totals(0).counters
    assert counters["notifications|email|sent"] == 1


def test_one_alarm_rings_for_all_that_is_due(app: Flask, redis: Redis, mailbox: Mailbox) -> None:
    """One ring tells every end that is due, and removes the alarms of the ends it took."""
    for event in ("gig", "set"):
        report = ending(app, event)
        assert report.due is not None
        state(app).alarms.arm([Alarm(event, report.session, report.due, HOUR)])
    assert len(scheduled(redis)) == 2
    ring_now(app)
    work(redis, app)
    subjects = sorted(mail.message["Subject"] for mail in mailbox.wait(3))
    assert subjects == [f"Event Stream Ended - The {name}" for name in ("gig", "jam", "set")]
    assert scheduled(redis) == []


def test_a_job_that_cannot_be_unsealed_is_counted_and_rings(
    app: Flask, redis: Redis, mailbox: Mailbox
) -> None:
    """A job of another key is only an alarm: it is counted, and the host is told all the same."""
    report = ending(app, "jam")
    eventually(lambda: state(app).store.look(None).ready, "the event is due")
    foreign = state(make_app(NO_REDIS, SECRET_KEY="other")).sealer.seal("jam", report.session)
    queue = Queue("default", connection=redis)
    queue.enqueue(RING, "streamend", foreign, meta={"due": report.due})
    work(redis, app)
    assert len(mailbox.wait(1)) == 1
    assert state(app).store.totals(0).counters["errors|queue"] == 1
    assert failures(redis) == []


def test_a_worker_that_is_wrong_twice_is_named_for_both(app: Flask, redis: Redis) -> None:
    """One of other keys, that can't reach the application's Redis: curing one leaves the other."""
    ring_now(app)
    work(redis, make_app(NO_REDIS, SECRET_KEY="other"))
    problems = state(app).store.totals(0).problems
    assert {"worker-keys", "worker-elsewhere"} <= set(problems)
    assert len(scheduled(redis)) == 1


def test_an_alarm_that_was_set_too_late_is_taken_back(
    app: Flask, alarms: RQAlarms, redis: Redis, mailbox: Mailbox
) -> None:
    """Where the host was told before the alarm was set, it is removed when that is known.

    Nobody else would: the scheduler that RQ keeps is not needed, and may not run.
    """
    parts = state(app)
    web = Web(parts.store, "a")
    web.send({"jam": 1})
    report = web.send({"jam": 0})
    eventually(lambda: parts.store.look(None).ready, "the event is due")
    with app.app_context():
        parts.deliverer.deliver_due()
    parts.endings.reported(report)
    job = f"rq:job:{alarms.job_id(report.events[0].session)}"
    assert redis.exists(job)

    def beats() -> bool:
        parts.sweep.beat()
        return not redis.exists(job)

    eventually(beats, "the alarm is taken back")
    assert not parts.endings.owed.kept()


def test_a_stale_alarm_does_not_load_the_application(
    app: Flask, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ring with nothing due and nothing waiting is over before the application is needed."""
    monkeypatch.setenv("FLASK_APP", "tests.apps.broken")
    report = ending(app, "jam", HOUR)
    assert report.due is not None
    Web(state(app).store, "another", HOUR).set("jam", 1)
    state(app).alarms.ring(Alarm("jam", report.session, report.due, 0))
    work(redis)
    assert failures(redis) == []
    assert not redis.keys("rq:job:*")


@pytest.mark.parametrize(
    "flask_app", ["tests.apps.nowhere", "tests.apps.store", "tests.apps.broken"]
)
def test_an_application_that_cannot_be_loaded_is_a_line_with_the_cure(
    app: Flask,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    flask_app: str,
) -> None:
    """No module, no application in it, or an error at its import: one line, a count, an alarm."""
    monkeypatch.setenv("FLASK_APP", flask_app)
    ring_now(app)
    work(redis)
    (why,) = [message for message in caplog.messages if "worker-app" in message]
    assert "FLASK_APP" in why
    assert failures(redis) == []
    assert state(app).store.totals(0).counters["errors|queue"] == 1
    assert state(app).store.status(["jam"])[0].state == "ending"
    assert len(scheduled(redis)) == 1


def test_why_an_application_cannot_be_loaded_shows_no_address(
    app: Flask,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    """What its own code raises may be anything; the address in it is masked."""
    path = tmp_path / "raising_app.py"
    path.write_text("raise LookupError('no mailbox of live@example.org')")
    monkeypatch.setenv("FLASK_APP", str(path))
    ring_now(app)
    work(redis)
    assert "LookupError: no mailbox of l***@example.org" in caplog.text
    assert "live@" not in caplog.text


LOGGING_APP = """\
import logging, os
from tests.apps.local import make_app

logging.basicConfig(format="root: %(message)s", level="INFO")
app = make_app(os.environ["URL"], MAIL_PORT=int(os.environ["MAIL"]))
"""


def test_an_application_s_own_logging_has_each_line_once(
    app: Flask, redis: Redis, redis_url: str, mailbox: Mailbox, tmp_path: Path
) -> None:
    """A plain worker loads the application, and with it how it logs, when a job needs it."""
    (tmp_path / "logging_app.py").write_text(LOGGING_APP)
    ring_now(app)
    mail, path = str(mailbox.port), str(tmp_path / "logging_app.py")
    done = subprocess.run(
        [sys.executable, "-m", "rq.cli", "worker", "--burst", "--url", redis_url],
        env={**os.environ, "URL": redis_url, "MAIL": mail, "FLASK_APP": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        timeout=120,
    )
    said = [line for line in done.stdout.splitlines() if "notification scheduled for" in line]
    assert [line.partition(":")[0] for line in said] == ["root"]


def test_a_ring_too_early_is_set_again(app: Flask, redis: Redis, mailbox: Mailbox) -> None:
    """Before its instant an alarm tells nobody, and is set again for no earlier than that."""
    report = ring_now(app, delay=HOUR)
    assert report.due is not None
    work(redis, app)
    (job,) = scheduled(redis)
    assert (job.func_name, job.meta) == (RING, {"due": report.due})
    assert state(app).sealer.unseal(job.args[1]) == ("jam", report.session)
    registry = ScheduledJobRegistry("default", connection=redis)
    assert registry.get_scheduled_time(job).timestamp() >= report.due // 1000
    assert mailbox.mails() == []


def test_a_ring_a_little_too_early_waits(
    app: Flask, redis: Redis, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RQ keeps whole seconds: an alarm that was set again would be up to a second late."""
    monkeypatch.setattr(jobs, "SOON_MS", HOUR)
    ring_now(app, delay=2_000)
    work(redis, app)
    assert scheduled(redis) == []
    assert len(mailbox.mails()) == 1


def test_a_ring_too_early_twice_is_set_again_twice(app: Flask, redis: Redis) -> None:
    """An alarm set again by one worker may be too early by another's clock too."""
    report = ring_now(app, delay=HOUR)
    for _ in range(3):
        work(redis, app)
        (job,) = scheduled(redis)
        assert job.meta == {"due": report.due}
        ScheduledJobRegistry("default", connection=redis).remove(job)
        Queue("default", connection=redis).enqueue_job(job)
    assert failures(redis) == []


def test_an_alarm_that_a_gap_overtook_is_set_again(
    app: Flask, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where processes fall silent while the application is loaded, the alarm is not the last."""
    report = ring_now(app)
    store = state(app).store
    assert isinstance(store, RedisStore)
    deliver = state(app).deliverer.deliver_due

    def loaded_late() -> None:
        redis.hset(store.keys.pulse, "awake", 1)
        deliver()

    monkeypatch.setattr(state(app).deliverer, "deliver_due", loaded_late)
    work(redis, app)
    (job,) = scheduled(redis)
    assert job.id == f"streamend-{report.session}-again"


def test_an_alarm_is_not_set_again_for_what_others_told(
    app: Flask, redis: Redis, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was cut off, and is back when another has told all, leaves it at that."""
    ring_now(app)
    deliver = state(app).deliverer.deliver_due

    def cut_off() -> None:
        deliver()
        raise StoreError("timed out")

    monkeypatch.setattr(state(app).deliverer, "deliver_due", cut_off)
    work(redis, app)
    assert len(mailbox.mails()) == 1
    assert state(app).store.totals(0).counters["errors|queue"] == 1
    assert not redis.keys("rq:job:*")


def test_an_alarm_carries_its_end_s_trace(app: Flask, redis: Redis) -> None:
    """Of an end that is traced the job's meta has a copy of the context, set again or not."""
    report = ending(app, "jam", HOUR)
    assert report.due is not None
    meta = {"due": report.due, "traceparent": TRACE}
    state(app).alarms.arm([Alarm("jam", report.session, report.due, HOUR, TRACE)])
    assert [job.meta for job in scheduled(redis)] == [meta]
    state(app).alarms.ring(Alarm("jam", report.session, report.due, 0, TRACE))
    work(redis, app)
    assert [job.meta for job in scheduled(redis)] == [meta]


def test_a_worker_without_an_application_logs_the_trace(
    app: Flask, redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A job that can't load the application says in which end's trace that was."""
    monkeypatch.setenv("FLASK_APP", "tests.apps.nowhere")
    report = ending(app, "jam")
    eventually(lambda: state(app).store.look(None).ready, "the event is due")
    state(app).alarms.ring(Alarm("jam", report.session, report.due or 0, 0, TRACE))
    work(redis)
    (record,) = [record for record in caplog.records if "worker-app" in record.getMessage()]
    assert (record.trace_id, record.span_id) == ("1" * 32, "2" * 16)  # type: ignore[attr-defined]


def test_a_failed_notice_has_an_alarm_for_its_retry(app: Flask, redis: Redis) -> None:
    """After an attempt that failed, RQ holds an alarm for the next one."""
    app.config["MAIL_PORT"] = 1
    ring_now(app)
    work(redis, app)
    assert state(app).store.totals(0).counters["notifications|email|failed"] == 1
    (job,) = scheduled(redis)
    assert (job.func_name, job.args[0]) == (RING, "streamend")


def test_a_notice_whose_loader_failed_has_an_alarm_too(app: Flask, redis: Redis) -> None:
    """Where the event loader raised, the notice waits, with an alarm for the next try."""

    def fail(event_id: str) -> None:
        raise LookupError(event_id)

    state(app).extension.event_loader(fail)
    ring_now(app)
    work(redis, app)
    counters = state(app).store.totals(0).counters
    assert counters["errors|event_loader"] == 1
    assert not [key for key in counters if key.startswith("notifications")]
    assert len(scheduled(redis)) == 1


@pytest.mark.parametrize("rings", [1, 2])
def test_a_running_alarm_is_left_to_its_worker(
    app: Flask, redis: Redis, monkeypatch: pytest.MonkeyPatch, rings: int
) -> None:
    """Whoever takes the ends of an alarm that another worker is running takes nothing from it.

    Though it may ring a second time meanwhile: a web process did not hear that RQ's scheduler rang.
    """
    ended = ring_now(app)
    look = RedisStore.look

    def take() -> None:
        if rings == 2:
            state(app).alarms.ring(Alarm("jam", ended.session, ended.due or 0, 0))
        state(app).store.claim(10)
        state(app).alarms.disarm([ended.session])

    def look_too_late(store: RedisStore, due: int | None, quiet: int = 0) -> Look:
        # Between this alarm's start and its look, another worker claims; in a thread, so that RQ
        # knows it as another.
        other = Thread(target=take)
        other.start()
        other.join()
        return look(store, due, quiet)

    monkeypatch.setattr(RedisStore, "look", look_too_late)
    work(redis, app)
    assert failures(redis) == []
    assert redis.keys("rq:job:*") == []


def test_nothing_is_taken_back_for_the_alarm_that_rings(app: Flask, redis: Redis) -> None:
    """Its host would wait for that. What else is claimed by it loses its alarm."""
    Web(state(app).store, "b").visit("gig")
    ended = ring_now(app)
    with commands(redis) as found:
        work(redis, app)
    taken_back = [text for text in found.texts if text.startswith("ZREM") and "-again" in text]
    assert len(taken_back) == 1
    assert ended.session not in taken_back[0]


@pytest.mark.parametrize("rang_before", [False, True])
def test_nothing_is_left_of_a_try_that_an_alarm_set_for_itself(
    redis_url: str, redis: Redis, rang_before: bool
) -> None:
    """A server that hung up costs no wait: what was told at once needs no alarm any more."""
    server = ScriptedServer({"AGAIN": "421 too many messages"}, together=True)
    app = make_app(redis_url, MAIL_PORT=server.port)
    try:
        Web(state(app).store, "b").visit("gig")
        ring_now(app)
        if rang_before:
            queue = Queue("default", connection=redis)
            (job,) = queue.jobs
            queue.empty()
            queue.enqueue(RING, *job.args, **options(other_id(job.id), job.meta["due"]))
        work(redis, app)
    finally:
        server.stop()
    assert server.mails == 2
    assert state(app).store.totals(0).counters["notifications|email|failed"] == 1
    assert redis.keys("rq:job:*") == []
    assert scheduled(redis) == []


def test_a_worker_beats_in_one_exchange(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """RQ takes three, and beats between hearing an alarm and running it."""
    worker = Introduced(["default"], connection=redis)
    sent: list[bytes] = []
    send = Connection.send_packed_command

    def count(connection: Connection, command: list[bytes], *args: Any, **kwargs: Any) -> None:
        sent.append(b"".join(command))
        send(connection, command, *args, **kwargs)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(Connection, "send_packed_command", count)
    worker.heartbeat()
    assert len(sent) == 1
    assert redis.ttl(worker.key) > 0
    assert redis.hget(worker.key, "last_heartbeat")


def test_alarms_are_taken_back_where_they_wait(app: Flask, alarms: RQAlarms, redis: Redis) -> None:
    """Of an alarm that is scheduled or queued, nothing is left once it is taken back."""
    alarms.arm([Alarm("jam", "5e55", HOUR, HOUR), Alarm("jazz", "c0de", HOUR, HOUR)])
    alarms.ring(Alarm("jam", "5e55", 0, 0))
    alarms.disarm(["5e55", "c0de"])
    assert redis.keys("rq:job:*") == []
    assert redis.keys("rq:queue:*") == redis.keys("rq:scheduled:*") == []


def test_one_alarm_rings_for_what_nobody_hears(alarms: RQAlarms, redis: Redis) -> None:
    """One is queued at a time; the next has another id, for RQ may not have done with the first.

    Its worker looks at a job once more when the fork is over. One that was queued anew by then it
    took for a fork that had died, and kept it among the failed.
    """
    queue, ids = Queue("default", connection=redis), set()
    for _ in range(3):
        alarms.ring_unheard()
        alarms.ring_unheard()
        (job_id,) = queue.get_job_ids()
        ids.add(job_id)
        queue.remove(job_id)
    assert len(ids) == 3


def test_an_alarm_that_cannot_be_set_is_counted() -> None:
    """Without Redis setting or removing an alarm raises nothing and is counted."""
    parts = state(make_app(NO_REDIS))
    parts.alarms.arm([Alarm("jam", "5e55", 0, 0)])
    parts.alarms.disarm(["5e55"])
    assert parts.tally.pending() == {"errors|queue": 2}


def test_ring_runs_in_a_worker_only() -> None:
    """Called outside a job the function says where it belongs."""
    with pytest.raises(RuntimeError, match="runs in an RQ worker"):
        jobs.ring("streamend", "sealed")
