"""What RQ has on a queue, in two round trips, whoever put it there."""

from __future__ import annotations

from collections import Counter as Bag
from dataclasses import dataclass, field
from typing import Any

from redis import Redis
from rq.queue import Queue
from rq.registry import FailedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.scheduler import RQScheduler
from rq.worker_registration import REDIS_WORKER_KEYS, WORKERS_BY_QUEUE_KEY

from ..store.scripts import answering, text

#: RQ's states of a worker that has a job.
BUSY = "busy"


@dataclass(frozen=True)
class QueueView:
    """A queue's figures.

    :param jobs: by state: queued, started, scheduled, failed.
    :param workers: by state: idle, busy.
    :param scheduler: whether a worker runs the scheduler for it.
    """

    name: str
    jobs: dict[str, int] = field(default_factory=dict)
    workers: dict[str, int] = field(default_factory=dict)
    scheduler: bool = False


@dataclass(frozen=True)
class RQWorker:
    """A worker, as RQ knows it.

    :param version: RQ's.
    """

    name: str
    queues: tuple[str, ...]
    host: str
    pid: int
    version: str
    python: str

    @property
    def where(self) -> str:
        """Return the process as a person finds it."""
        return f"{self.host.partition('.')[0]}:{self.pid}"


def look_at_workers(redis: Redis) -> list[RQWorker]:
    """Return every worker that is alive, whatever it reads.

    :raises StoreError: where Redis does not answer.
    """
    names = ("queues", "hostname", "pid", "version", "python_version", "death")
    with answering():
        keys: Any = redis.smembers(REDIS_WORKER_KEYS)
        pipe = redis.pipeline(transaction=False)
        for key in keys:
            pipe.hmget(key, names)
        rows = pipe.execute()
    found = []
    for key, row in zip(keys, rows, strict=True):
        queues, host, pid, version, python, death = (text(v) if v else "" for v in row)
        # Of a worker that was killed the name stays, and its record expires.
        if queues and not death:
            name = text(key).split(":", 2)[2]
            read = tuple(queues.split(","))
            found.append(RQWorker(name, read, host, int(pid or 0), version, python.split(" ")[0]))
    return sorted(found, key=lambda worker: worker.where)


def look_at_queue(redis: Redis, name: str) -> QueueView:
    """Return a queue's figures.

    :raises StoreError: where Redis does not answer.
    """
    registries = {
        "started": StartedJobRegistry,
        "scheduled": ScheduledJobRegistry,
        "failed": FailedJobRegistry,
    }
    queue = Queue(name, connection=redis)
    with answering():
        pipe = redis.pipeline(transaction=False)
        pipe.llen(queue.key)
        for registry in registries.values():
            pipe.zcard(registry(queue=queue).key)
        pipe.exists(RQScheduler.get_locking_key(name))
        pipe.smembers(WORKERS_BY_QUEUE_KEY % name)
        queued, *kept, scheduler, workers = pipe.execute()
        rows: list[Any] = []
        if workers:
            pipe = redis.pipeline(transaction=False)
            for key in workers:
                pipe.hmget(text(key), ("queues", "state", "death"))
            rows = pipe.execute()
    # RQ writes a worker's record when it is born, and its first state only later.
    found = Bag(
        BUSY if state and text(state) == BUSY else "idle"
        for queues, state, death in rows
        if queues and not death
    )
    return QueueView(
        name,
        {"queued": int(queued), **dict(zip(registries, map(int, kept), strict=True))},
        {state: found[state] for state in ("idle", BUSY)},
        bool(scheduler),
    )
