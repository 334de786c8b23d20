"""What the pages say of RQ's queue and workers."""

from __future__ import annotations

from redis import Redis
from rq.worker import Worker, WorkerStatus

from flask_streamend.telemetry.queues import look_at_queue


def test_a_worker_counts_from_its_birth_to_its_death(redis: Redis) -> None:
    """A worker that is just born has no state yet, and is there all the same."""
    worker = Worker(["default"], connection=redis)
    assert look_at_queue(redis, "default").workers == {"idle": 0, "busy": 0}
    worker.register_birth()
    assert look_at_queue(redis, "default").workers == {"idle": 1, "busy": 0}
    worker.set_state(WorkerStatus.BUSY)
    assert look_at_queue(redis, "default").workers == {"idle": 0, "busy": 1}
    worker.register_death()
    assert look_at_queue(redis, "default").workers == {"idle": 0, "busy": 0}


def test_a_worker_that_was_killed_counts_until_its_record_expires(redis: Redis) -> None:
    """RQ keeps its name for good; what tells that it is gone is its record."""
    worker = Worker(["default"], connection=redis)
    worker.register_birth()
    redis.delete(worker.key)
    assert redis.scard("rq:workers:default") == 1
    assert look_at_queue(redis, "default").workers == {"idle": 0, "busy": 0}
