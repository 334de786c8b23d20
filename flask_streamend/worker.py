"""RQ workers that know the application."""

from __future__ import annotations

import redis
import rq
from rq.job import Job
from rq.queue import Queue
from rq.worker import WorkerStatus

from . import jobs
from .alarms import RING
from .state import AppState
from .telemetry.logs import make_visible

#: Seconds this package's own worker waits for a job before it looks around.
LOOK_AROUND = 1


class Worker(rq.Worker):
    """RQ's worker, with the application loaded once, before it forks.

    ``rq worker -w flask_streamend.Worker``
    """

    def bootstrap(self, *args: object, **kwargs: object) -> None:
        """Load the application, then start as RQ does."""
        jobs.preload()
        super().bootstrap(*args, **kwargs)  # type: ignore[arg-type]


class TunedWorker(rq.Worker):
    """``flask streamend worker``: no fork for our jobs, and it looks around while it waits.

    Other jobs on its queues are forked, as RQ does.
    """

    streamend: AppState
    """The application's parts. (RQ has a ``state`` of its own.)"""

    @property
    def dequeue_timeout(self) -> int:
        """Return the seconds it waits for a job at a time."""
        return LOOK_AROUND

    def heartbeat(self, *args: object, **kwargs: object) -> None:
        """Beat as RQ does, and notice what nobody else might: see :mod:`flask_streamend.sweep`."""
        super().heartbeat(*args, **kwargs)  # type: ignore[arg-type]
        if not self.is_horse:
            self.streamend.sweep.tick()
            self.streamend.write_counts()

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run an alarm here, anything else in a fork."""
        if job.func_name != RING:
            super().execute_job(job, queue)
            return
        execution = self.prepare_execution(job)
        self.perform_job(job, queue, execution)
        self.set_state(WorkerStatus.IDLE)


def run(state: AppState, queues: tuple[str, ...], burst: bool, scheduler: bool) -> None:
    """Work until told to stop.

    :param queues: names of queues; none: the application's own.
    :param scheduler: run RQ's scheduler too, for the scheduled jobs of others.
    """
    # RQ waits on this connection for a job, for longer than a store's time-out.
    connection = redis.Redis.from_url(state.settings.redis_url)
    worker = TunedWorker(list(queues) or [state.settings.queue], connection=connection)
    worker.streamend = state
    # It beats, and holds nothing.
    state.sweep.holding = False
    state.deliverer.keep_connection()
    make_visible()
    worker.work(burst=burst, with_scheduler=scheduler)
