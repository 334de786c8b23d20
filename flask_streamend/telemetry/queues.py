"""What RQ has on a queue, in two round trips, whoever put it there."""

from __future__ import annotations

from collections import Counter as Bag
from dataclasses import dataclass, field
from typing import Any

from redis import Redis
from rq.queue import Queue
from rq.registry import FailedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.scheduler import RQScheduler
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

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
        states: list[Any] = []
        if workers:
            pipe = redis.pipeline(transaction=False)
            for key in workers:
                pipe.hget(text(key), "state")
            states = pipe.execute()
    found = Bag(BUSY if text(state) == BUSY else "idle" for state in states if state is not None)
    return QueueView(
        name,
        {"queued": int(queued), **dict(zip(registries, map(int, kept), strict=True))},
        {state: found[state] for state in ("idle", BUSY)},
        bool(scheduler),
    )
