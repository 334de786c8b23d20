"""RQ workers that know the application."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import redis
import rq
from flask import Flask, current_app
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq.exceptions import StopRequested
from rq.job import Job
from rq.queue import Queue
from rq.worker import WorkerStatus

from . import jobs
from .alarms import RING
from .errors import StoreError
from .facts import WORKER, Facts, of_worker
from .heap import settle
from .introducing import KEEP_MS, Introduction
from .state import AppState, state_of
from .store.redis import RedisStore
from .telemetry.logs import log, make_visible

#: Seconds this package's own worker waits for a job before it looks around.
LOOK_AROUND = 1


class Introduced(rq.Worker):
    """A worker that says what it is, for ``flask streamend doctor``."""

    _introduction: Introduction | None = None

    def introduce(self, app: Flask, server: str, known: Callable[[], object]) -> None:
        """Say so from now on with heartbeats, when it is time.

        :param server: what runs, as a person knows it.
        :param known: as :class:`~flask_streamend.introducing.Introduction` has it.
        """
        state = state_of(app)
        who = WORKER + self.name
        self._here = RedisStore(self.connection, state.settings.namespace)

        def tell(facts: Facts) -> None:
            self._here.introduce(who, facts.pack(), KEEP_MS)
            if facts.store not in ("", facts.listens):
                # The web's processes are there, and wonder where their worker is.
                state.store.introduce(who, facts.pack(), KEEP_MS)

        def facts() -> Facts:
            return of_worker(app, state, server, tuple(self.queue_names()), self.connection)

        self._introduction = Introduction(facts, known, tell)
        # What was wrong with a worker is cured by starting it again; else the next alarm says so.
        with suppress(StoreError):
            self._here.note_problem("worker-keys", False)

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Beat as RQ does, in one exchange where RQ takes three: each alarm waits for one."""
        if pipeline is not None:
            super().heartbeat(timeout, pipeline)
        else:
            with self.connection.pipeline() as together:
                super().heartbeat(timeout, together)
                together.execute()
        if self._introduction is not None and not self.is_horse:
            self._introduction.tick()

    def register_death(self) -> None:
        """Say goodbye as RQ does."""
        super().register_death()  # type: ignore[no-untyped-call]
        if self._introduction is not None:
            with suppress(StoreError):
                self._here.introduce(WORKER + self.name, "", 0)


class Worker(Introduced):
    """RQ's worker, with the application loaded once, before it forks.

    ``rq worker -w flask_streamend.Worker``
    """

    def bootstrap(self, *args: object, **kwargs: object) -> None:
        """Load the application, then start as RQ does."""
        jobs.preload()
        settle()  # and its forks share with it what none of them collects
        super().bootstrap(*args, **kwargs)  # type: ignore[arg-type]
        self.introduce(jobs.application(), "rq worker -w flask_streamend.Worker", lambda: True)
        self.heartbeat()


class TunedWorker(Introduced):
    """``flask streamend worker``: no fork for our jobs, and it looks around while it waits.

    Other jobs on its queues are forked, as RQ does.

    :ivar told_to_stop: of the process: it was signalled, and does not quit by itself.
    """

    told_to_stop = False
    _known_until = 0.0
    #: RQ would wait up to a minute between two tries to reach Redis again.
    max_connection_wait_time = 2.0

    streamend: AppState
    """The application's parts. (RQ has a ``state`` of its own.)"""

    @property
    def dequeue_timeout(self) -> int:
        """Return the seconds it waits for a job at a time."""
        return LOOK_AROUND

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Beat as RQ does, and notice what nobody else might: see :mod:`flask_streamend.sweep`."""
        super().heartbeat(timeout, pipeline)
        if not self.is_horse:
            # It beats several times for a job.
            if time.monotonic() >= self._known_until:
                self._known_until = time.monotonic() + LOOK_AROUND
                self._be_known()
            self.streamend.sweep.tick()
            self.streamend.write_counts()
            self.streamend.recording.tick()

    def _be_known(self) -> None:
        """Register again where Redis came back empty: RQ does so at a start only."""
        if not self.connection.sismember(self.redis_workers_keys, self.key):
            # What is there was written by a heartbeat, which knows no more than its time.
            self.connection.delete(self.key)
            self.register_birth()  # type: ignore[no-untyped-call]
            # A birth says nothing of it, and who has no state is taken for dead.
            self.set_state(self.get_state())

    def handle_warm_shutdown_request(self) -> None:
        """Note that it was told to stop."""
        TunedWorker.told_to_stop = True
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]

    def teardown(self) -> None:
        """Say goodbye as RQ does, if Redis takes it."""
        try:
            super().teardown()  # type: ignore[no-untyped-call]
        except RedisError:
            thread: Any = self.pubsub_thread
            if thread is not None:
                thread.stop()

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run an alarm here, anything else in a fork."""
        if job.func_name != RING:
            super().execute_job(job, queue)
            return
        execution = self.prepare_execution(job)
        self.perform_job(job, queue, execution)
        self.set_state(WorkerStatus.IDLE)


def run(state: AppState, queues: tuple[str, ...], burst: bool, scheduler: bool) -> None:
    """Work until told to stop; what is left to be recorded then is, in a bounded time.

    :param queues: names of queues; none: the application's own.
    :param scheduler: run RQ's scheduler too, for the scheduled jobs of others.
    :raises RedisError: where Redis can't be reached at the start.
    """
    try:
        _run(state, queues, burst, scheduler)
    finally:
        state.recording.finish()


def _run(state: AppState, queues: tuple[str, ...], burst: bool, scheduler: bool) -> None:
    """Work until told to stop.

    RQ's worker bears a lost connection while it waits for a job. For anything else that Redis may
    do, as refuse a write because its memory is full, it quits; then another one begins here.
    """
    # It beats, and holds nothing.
    state.sweep.holding = False
    jobs.stays = True
    state.deliverer.keep_connection()
    make_visible()
    settle()
    began = False
    with suppress(StopRequested):
        while not TunedWorker.told_to_stop:
            # RQ waits on this connection for a job, for longer than a store's time-out.
            connection = redis.Redis.from_url(state.settings.redis_url)
            worker = TunedWorker(list(queues) or [state.settings.queue], connection=connection)
            worker.streamend = state
            worker.introduce(
                current_app._get_current_object(),  # type: ignore[attr-defined]
                "flask streamend worker",
                lambda: state.presence.epoch or None,
            )
            try:
                worker.work(burst=burst, with_scheduler=scheduler)
            except RedisError:
                if not began:
                    raise
            else:
                if not (burst or TunedWorker.told_to_stop):
                    log.error("RQ's worker quit for what Redis did; another one begins")
            if burst:
                return
            began = True
            time.sleep(LOOK_AROUND)
