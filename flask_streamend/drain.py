"""A graceful stop: viewers are sent elsewhere at once, and the store is told goodbye.

On SIGTERM to gunicorn no handler's ``finally`` runs before the process is gone (never under
gthread, seldom under gevent), and viewers would be counted until the lease lapses. So the
handlers of a gunicorn worker are chained: nothing else's, and in no other kind of process.
"""

from __future__ import annotations

import _thread
import atexit
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from .capacity import gunicorn_worker
from .errors import StoreError
from .state import AppState
from .telemetry.logs import log

#: RFC 6455's registry: the service restarts, come back.
SERVICE_RESTART = 1012
#: Seconds for sockets to close before the store is told that nobody is left here.
PATIENCE = 2.0

_SIGNALS = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT)


def install(state: AppState) -> None:
    """Drain when this process is told to stop, if it is a gunicorn worker loading its application.

    With ``--preload`` the application is loaded elsewhere: see :mod:`flask_streamend.gunicorn`.
    """
    if gunicorn_worker() is not None and threading.current_thread() is threading.main_thread():
        chain(lambda: drain(state))


def chain(act: Callable[[], None]) -> None:
    """Have ``act`` begin on a stop signal, before what handled the signal until now.

    The process does not end before ``act`` has, nor waits for it longer than for a drain.
    """
    begun, done = threading.Event(), threading.Event()

    def run() -> None:
        try:
            act()
        finally:
            done.set()

    atexit.register(lambda: begun.is_set() and done.wait(2 * PATIENCE))
    for number in _SIGNALS:
        before = signal.getsignal(number)

        def handle(got: int, frame: FrameType | None, before: Any = before) -> None:
            if not begun.is_set():
                begun.set()
                # threading.Thread's start waits for the thread: gevent can't do that in a handler.
                _thread.start_new_thread(run, ())
            if callable(before):
                before(got, frame)

        signal.signal(number, handle)


def drain(state: AppState) -> None:
    """Let every viewer go with 1012, report that they left, and give up the lease. Once."""
    if state.draining:
        return
    state.draining = True
    state.keeper.stop()
    presence = state.presence
    viewers = presence.everybody()
    for viewer in viewers:
        viewer.stop(SERVICE_RESTART)
    with suppress(StoreError):  # counted and logged: see flush
        # Nobody else reports any more: who came a moment ago may be whom a grace period waits for.
        presence.flush()
    until = time.monotonic() + PATIENCE
    while presence.total() and time.monotonic() < until:
        time.sleep(0.005)
    try:
        presence.goodbye()
        state.tally.flush()
    except StoreError as error:
        log.warning("The store could not be told goodbye; the lease will lapse: %s", error)
    state.spans.close()
    log.info("Draining: %d viewers were sent elsewhere", len(viewers))
