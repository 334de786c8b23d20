"""The durable alarm: one RQ job for each event in its grace period.

RQ cuts due times and clocks to whole seconds and would ring up to a second early; its scheduler may
ring late or never. So a job's argument names what to look at, and the store decides.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, get_current_job
from rq.executions import ExecutionRegistry
from rq.job import Job
from rq.registry import ScheduledJobRegistry

from .ending import Alarm
from .sealing import Sealer
from .telemetry.logs import log
from .telemetry.tally import Tally

#: The job's function by name, so that a process which only enqueues never imports it. Wire format.
RING = "flask_streamend.jobs.ring"
#: Seconds RQ lets the job run: longer than a deliverer's budget and one exchange after it, with the
#: longest time-outs there may be, or RQ's own alarm would break into that.
JOB_TIMEOUT = 1_800
#: Seconds a failed alarm's record is kept by RQ (its own default is a year).
FAILURE_TTL = 86_400
#: Alarms set in one pipeline.
AT_ONCE = 500
#: The session of an alarm that is nobody's: it rings for whatever is ready.
SWEEP = "sweep"
#: Its ids, in turn. One that was just done may still be looked at by RQ's worker, which takes what
#: is set anew under its id for a job that failed.
SWEEPS = 8

#: The session of the alarm that looks after every lease, for when no process is left that would.
WATCH = "watch"

_F = TypeVar("_F", bound=Callable[..., None])


def _alarm(method: _F) -> _F:
    """Count and log what fails: an alarm is never worth an exception, others ring besides it."""

    @wraps(method)
    def guarded(self: RQAlarms, *args: Any) -> None:
        try:
            method(self, *args)
        except (RedisError, OSError) as error:
            self.tally.error("queue")
            log.warning("An alarm could not be set or removed: %s", type(error).__name__)

    return guarded  # type: ignore[return-value]


def options(job_id: str, due: int, trace: str = "") -> dict[str, Any]:
    """Return how RQ is to keep an alarm: nothing is left of one that rang.

    :param trace: the context of the end's trace, by W3C's name for it in the job's meta.
    """
    return {
        "job_id": job_id,
        "description": "flask_streamend alarm",
        "job_timeout": JOB_TIMEOUT,
        "result_ttl": 0,
        "failure_ttl": FAILURE_TTL,
        "meta": {"due": due, **({"traceparent": trace} if trace else {})},
    }


def other_id(job_id: str) -> str:
    """Return the second of a session's two ids: for an alarm set while the first one's job runs.

    RQ deletes a job that is done, and what was set under its id meanwhile with it.
    """
    return job_id.removesuffix("-again") if job_id.endswith("-again") else f"{job_id}-again"


def rounded(wait: int) -> timedelta:
    """Return a wait in milliseconds up to the next whole second.

    RQ cuts the rest off, and would ring too early.
    """
    return timedelta(milliseconds=wait + 999)


class RQAlarms:
    """Alarms kept by RQ in a queue that an ordinary ``rq worker`` reads."""

    def __init__(
        self, redis: Redis, namespace: str, queue: str, sealer: Sealer, tally: Tally
    ) -> None:
        self._redis = redis
        self._namespace = namespace
        self._queue = Queue(queue, connection=redis)
        self._sealer = sealer
        self.tally = tally
        self._sweep = random.randrange(SWEEPS)  # noqa: S311 - so that processes differ
        # The last that a running alarm set again for itself.
        self._again = ""

    def job_id(self, session: str) -> str:
        """Return the id of a session's job: RQ allows letters, digits, ``_`` and ``-``."""
        safe = "".join(c if c.isascii() and c.isalnum() else "_" for c in self._namespace)
        return f"{safe}-{session}"

    @_alarm
    def arm(self, alarms: list[Alarm]) -> None:
        current = get_current_job()
        for start in range(0, len(alarms), AT_ONCE):
            with self._redis.pipeline(transaction=True) as pipe:
                for alarm in alarms[start : start + AT_ONCE]:
                    job_id = self.job_id(alarm.session)
                    if current is not None and current.id in (job_id, other_id(job_id)):
                        job_id = self._again = other_id(current.id)
                    self._queue.enqueue_in(
                        rounded(alarm.wait),
                        RING,
                        *self._arguments(alarm),
                        **options(job_id, alarm.due, alarm.trace),
                        pipeline=pipe,
                    )
                pipe.execute()

    def _arguments(self, alarm: Alarm) -> tuple[str, str]:
        return self._namespace, self._sealer.seal(alarm.event_id, alarm.session)

    @_alarm
    def ring(self, alarm: Alarm) -> None:
        job_id = self.job_id(alarm.session)
        kept = options(job_id, alarm.due, alarm.trace)
        with self._redis.pipeline(transaction=True) as pipe:
            # First: RQ begins the transaction by it.
            self._queue.enqueue(RING, *self._arguments(alarm), **kept, pipeline=pipe)
            ScheduledJobRegistry(queue=self._queue).remove(job_id, pipeline=pipe)
            pipe.execute()

    @_alarm
    def ring_unheard(self) -> None:
        ids = [self.job_id(f"{SWEEP}-{number}") for number in range(SWEEPS)]
        with self._redis.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.lpos(self._queue.key, job_id)
            if any(at is not None for at in pipe.execute()):
                return
        self._sweep = (self._sweep + 1) % SWEEPS
        arguments = self._arguments(Alarm("", SWEEP, 0, 0))
        self._queue.enqueue(RING, *arguments, **options(ids[self._sweep], 0))

    @_alarm
    def watch(self, lease: int) -> None:
        if not lease:
            self._remove([WATCH])
            return
        arguments = self._arguments(Alarm("", WATCH, 0, 0))
        kept = options(self.job_id(WATCH), 0)
        kept["meta"]["watch"] = lease
        self._queue.enqueue_in(rounded(lease), RING, *arguments, **kept)

    @_alarm
    def disarm(self, sessions: list[str]) -> None:
        self._remove(sessions)

    def _remove(self, sessions: list[str]) -> None:
        # The job that is running now is RQ's to clean up; the other of its session's two is there
        # only where this one set it, or where it rang twice: that is left to who saw the end begin,
        # as its host waits meanwhile.
        current = get_current_job()
        rings = current.id if current else ""
        ids = {self.job_id(session) for session in sessions}
        ids |= {other_id(job_id) for job_id in ids}
        ids -= {rings} if self._again == other_id(rings) else {rings, other_id(rings)}
        if not ids:
            return
        waiting = list(ids)
        registry = ScheduledJobRegistry(queue=self._queue)
        with self._redis.pipeline(transaction=True) as pipe:
            for job_id in waiting:
                registry.remove(job_id, pipeline=pipe)
                pipe.lrem(self._queue.key, 0, job_id)
            removed = pipe.execute()
        # One that neither had is running in another worker, if anywhere, and so may be one that was
        # queued, as it rang a second time meanwhile. RQ would take its record's loss for a failure,
        # and deletes it itself.
        hits = list(zip(waiting, removed[::2], removed[1::2], strict=True))
        queued = [job_id for job_id, _, hit in hits if hit]
        running = self._running(queued) if queued else set()
        found = {job_id for job_id, *hit in hits if any(hit)} - running
        if found:
            self._redis.delete(*map(Job.key_for, found))

    def _running(self, job_ids: list[str]) -> set[str]:
        keys = [ExecutionRegistry.key_template.format(job_id) for job_id in job_ids]
        if not self._redis.exists(*keys):
            return set()
        return {
            job_id for job_id, key in zip(job_ids, keys, strict=True) if self._redis.exists(key)
        }
