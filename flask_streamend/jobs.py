"""What RQ runs: :func:`ring`, an alarm.

Its path and its arguments are a wire format: jobs of an older version lie in queues.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from flask import Flask, current_app
from rq import Queue, get_current_job
from rq.job import Job
from rq.registry import ScheduledJobRegistry

from .alarms import RING, options, other_id, rounded
from .errors import ApplicationError, StoreError
from .facts import WORKER, of_worker, server_of
from .problems import line
from .state import AppState, state_of
from .store.base import Look
from .store.bounds import QUIET_MS
from .store.redis import RedisStore
from .telemetry import tracing
from .telemetry.logs import ids, log, make_visible, mask
from .telemetry.names import ERRORS

#: Milliseconds after which an alarm that this worker could do nothing about rings again.
RETRY_MS = 30_000
#: Milliseconds within which an application is loaded, and what is due then claimed.
LOADING_MS = 60_000
#: Milliseconds that an alarm waits which rang too early.
SOON_MS = 50
#: Milliseconds for which it is known what a plain ``rq worker`` said of itself.
KEEP_MS = 86_400_000

_loaded: Flask | None = None
#: Whether this process goes on after a job: RQ's fork ends at once, with what it had not sent.
stays = False


def ring(namespace: str, sealed: str) -> None:
    """Have what is due told, if anything is.

    The store is asked first, over RQ's own connection, so that a stale alarm never loads the
    application.

    :param namespace: the namespace whose store is to be asked.
    :param sealed: event and session this alarm was set for, as a token.
    :raises RuntimeError: outside an RQ worker.
    """
    job = get_current_job()
    if job is None or job.connection is None:
        raise RuntimeError("flask_streamend.jobs.ring runs in an RQ worker and nowhere else")
    due = _whole(job, "due")
    store = RedisStore(job.connection, namespace)
    lease = _whole(job, "watch")
    if lease is not None:
        _look_after(store, job, lease)
    look = store.look(due, LOADING_MS)
    if look.ready == 0 and due is not None and 0 < due - look.now <= SOON_MS:
        # A web process's clock that runs a little faster: RQ would ring again in a second only.
        time.sleep((due - look.now) / 1000)
        look = store.look(due, LOADING_MS)
    if look.paused:
        # Whoever heard of it when it is over: this alarm at the latest.
        _set_again(job, due or 0, look.paused)
    if look.ready == 0 and not look.waiting:
        log.debug("A stale alarm rang: nothing is due")
        return
    # Other workers introduce themselves; of a plain one nothing is known before it loads one.
    plain = not current_app and _loaded is None
    try:
        app = application()
    except ApplicationError as error:
        make_visible()
        _give_up(store, job, "worker-app", error.__cause__ or error)
        return
    # Not before: an application that configures logging is not given each line twice.
    make_visible()
    with app.app_context():
        state = state_of(app)
        try:
            _work(state, store, job, sealed, look)
            store.note_problem("worker-app", False)
            if plain:
                facts = of_worker(app, state, "rq worker", (job.origin,), job.connection)
                with suppress(StoreError):  # it is for a doctor's eyes; the alarm is done
                    store.introduce(f"{WORKER}{job.worker_name}", facts.pack(), KEEP_MS)
        finally:
            if not stays:
                state.recording.finish()
                tracing.flush()


def _whole(job: Job, name: str) -> int | None:
    """Return milliseconds in a job's meta: whoever can write to the queue can write there."""
    value = job.meta.get(name)
    return value if isinstance(value, int) and 0 <= value < 1 << 52 else None


def _work(state: AppState, store: RedisStore, job: Job, sealed: str, look: Look) -> None:
    """Have told what is ready, else set the alarm again; note what is wrong with this worker."""
    due = _whole(job, "due")
    # The one that looks after leases is set again as it is, for ever, by who may have no keys.
    proves = "watch" not in job.meta
    try:
        if look.ready:
            state.deliverer.deliver_due()
            left = store.look(None)
            if left.paused:
                # Nobody was heard of while the application was loaded: a gap began meanwhile.
                _set_again(job, due or 0, left.paused)
            elif left.ready and _elsewhere(state, job):
                raise StoreError("it is set up for another Redis")
        elif due is not None:
            _set_again(job, due, due - look.now)
        state.tally.flush()
    except StoreError as error:
        # RQ's Redis answers, and the application's does not.
        _give_up(store, job, "worker-elsewhere", error)
    else:
        store.note_problem("worker-elsewhere", False)
    if proves:
        sealed_elsewhere = state.sealer.unseal(str(sealed)) is None
        if sealed_elsewhere:
            # It rang all the same: it says only that somebody should look.
            store.add({ERRORS.field("queue"): 1})
        store.note_problem("worker-keys", sealed_elsewhere)


def _elsewhere(state: AppState, job: Job) -> bool:
    """Return whether the application's store is in another Redis than the one that rang."""
    here, there = server_of(job.connection), server_of(state.redis)
    return bool(here and there and here != there)


def _look_after(store: RedisStore, job: Job, lease: int) -> None:
    """Notice what processes that live notice, in case none is left; again after a lease.

    :param lease: of the web processes, in milliseconds.
    """
    # Before anything else: a worker that dies over this must not be the last to look.
    _set_again(job, 0, lease)
    beat = store.heartbeat("", lease, 0, quiet=lease + QUIET_MS)
    for holder in beat.lapsed:
        store.reap(holder)
    for event_id in beat.expired:
        store.guest("expire", event_id, "", 0, "", -1)
    next_try = store.next_try()
    if next_try is None and not beat.watch:
        _cancel(job)
    elif next_try is not None and 0 < next_try < lease:
        _set_again(job, 0, next_try)


def _give_up(store: RedisStore, job: Job, code: str, cause: BaseException) -> None:
    """Say what is wrong with this worker, and leave what is due to one that is set up right."""
    trace = ids(str(job.meta.get("traceparent", "")))
    # As long as it is: at its end an import says what is missing.
    log.error("%s (%s: %s)", line(code), type(cause).__name__, mask(str(cause)), extra=trace)
    store.add({ERRORS.field("queue"): 1})
    store.note_problem(code, True)
    due = _whole(job, "due")
    look = store.look(due)
    if look.ready or look.waiting or look.paused:
        # Else others have told it: what is set again then rings for nothing, and without RQ's
        # scheduler never.
        _set_again(job, due or 0, RETRY_MS)


def _set_again(job: Job, due: int, wait: int) -> None:
    """Set this alarm again, in ``wait`` milliseconds."""
    queue = Queue(job.origin, connection=job.connection)
    kept = options(other_id(job.id), due, job.meta.get("traceparent", ""))
    lease = _whole(job, "watch")
    if lease is not None:
        kept["meta"]["watch"] = lease
    queue.enqueue_in(rounded(wait), RING, *job.args, **kept)


def _cancel(job: Job) -> None:
    """Take back the alarm that was set again."""
    registry = ScheduledJobRegistry(job.origin, connection=job.connection)
    registry.remove(other_id(job.id), delete_job=True)


def application() -> Flask:
    """Return the application: the running one, else FLASK_APP's, else by Flask's own rule.

    :raises ApplicationError: where it can't be loaded, with the cure.
    """
    if current_app:
        return current_app._get_current_object()  # type: ignore[attr-defined,no-any-return]
    return _loaded or _load()


def preload() -> None:
    """Load the application now, for every job of this process and of those it forks.

    :raises ApplicationError: where it can't be loaded, with the cure.
    """
    global _loaded
    _loaded = _load()


def _load() -> Flask:
    from flask.cli import ScriptInfo

    try:
        return ScriptInfo(app_import_path=os.environ.get("FLASK_APP")).load_app()
    except (Exception, SystemExit) as error:
        raise ApplicationError(line("worker-app")) from error
