"""Telling those who listen: an application's signal receivers, and the counts of failures.

The core says what happened and goes on. Receivers are the application's code: they run in a thread
of their own in a web process, at once in a job, and what one raises is counted and breaks nothing.
"""

from __future__ import annotations

import queue
import threading
from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from inspect import Parameter, iscoroutinefunction, signature
from typing import Any

from blinker import NamedSignal
from flask import Flask, has_app_context

from . import signals
from .store.base import Change, Over, Report, Reported
from .telemetry.logs import log
from .telemetry.tally import Tally

#: Signals that may wait for slow receivers, before further ones are dropped and counted.
WAITING = 10_000

_BY_CHANGE = {
    Change.STARTED: signals.event_started,
    Change.ENDING: signals.event_ending,
    Change.RESUMED: signals.event_resumed,
}


class Observers:
    """One application's observers."""

    def __init__(self, app: Flask, tally: Tally) -> None:
        self._app = app
        self._tally = tally
        self.renew()

    def renew(self) -> None:
        """Begin anew in a child process, which has none of its parent's threads."""
        self._lock = threading.Lock()
        self._came: dict[str, int] = defaultdict(int)
        self._went: dict[str, int] = defaultdict(int)
        self._queue: queue.Queue[tuple[NamedSignal, dict[str, Any]]] | None = None

    def failed(self, stage: str) -> None:
        """Count a failure of a stage."""
        self._tally.error(stage)

    def joined(self, event_id: str) -> None:
        """Note a viewer who came; told with the report that counts them."""
        if signals.viewer_joined.receivers:
            with self._lock:
                self._came[event_id] += 1

    def left(self, event_id: str) -> None:
        """Note a viewer who went; told with the report that counts them."""
        if signals.viewer_left.receivers:
            with self._lock:
                self._went[event_id] += 1

    def let_go(self, over: Over, viewers: int, now: int) -> None:
        """Tell of a stopped session's viewers: they left that session, whenever they are gone."""
        what = {"event_id": over.event_id, "session": over.session, "clients": 0, "at": now / 1000}
        for _ in range(viewers):
            self._later(signals.viewer_left, what)

    def reported(self, report: Report) -> None:
        """Tell what a report not of this process's own viewers made of events."""
        for row in report.events:
            self._tell(row, report.now, report.came, report.went)

    def counted(self, row: Reported, now: int) -> None:
        """Tell what a report of this process's viewers made of an event."""
        with self._lock:
            came, went = self._came.pop(row.event_id, 0), self._went.pop(row.event_id, 0)
        self._tell(row, now, came, went)

    def _tell(self, row: Reported, now: int, came: int, went: int) -> None:
        what: dict[str, Any] = {
            "event_id": row.event_id,
            "session": row.session,
            "clients": row.clients,
            "at": now / 1000,
        }
        if row.change in (Change.STARTED, Change.RESUMED):
            self._later(_BY_CHANGE[row.change], what)
        for _ in range(came):
            self._later(signals.viewer_joined, what)
        for _ in range(went):
            self._later(signals.viewer_left, what)
        if row.change is Change.ENDING:
            self._later(signals.event_ending, what)

    def forget(self) -> None:
        """Forget who came and went in reports that were answered without them."""
        with self._lock:
            if len(self._came) + len(self._went) > WAITING:
                self._came.clear()
                self._went.clear()

    def now(self, signal: NamedSignal, **what: Any) -> None:
        """Send a signal and wait for its receivers; each one's failure is its own."""
        for receiver in list(signal.receivers_for(self._app)):
            try:
                if iscoroutinefunction(receiver):
                    # What it returns is a promise, which nobody would keep.
                    raise TypeError("the receiver is async: expected a function made with def")
                with nullcontext() if has_app_context() else self._app.app_context():
                    receiver(self._app, **_taken(receiver, what))
            except Exception:  # noqa: BLE001 - the application's code
                self._tally.error("hook")
                about = {"event_id": what.get("event_id"), "session": what.get("session")}
                log.exception("A receiver of the signal %s failed", signal.name, extra=about)

    def _later(self, signal: NamedSignal, what: dict[str, Any]) -> None:
        if not signal.receivers:
            return
        if self._queue is None:
            self._queue = queue.Queue(WAITING)
            threading.Thread(
                target=self._run, args=(self._queue,), name="flask_streamend.signals", daemon=True
            ).start()
        try:
            self._queue.put_nowait((signal, what))
        except queue.Full:
            self._tally.error("hook")

    def _run(self, waiting: queue.Queue[tuple[NamedSignal, dict[str, Any]]]) -> None:
        while True:
            signal, what = waiting.get()
            self.now(signal, **what)


def _taken(receiver: Callable[..., Any], what: dict[str, Any]) -> dict[str, Any]:
    """Return what of a signal a receiver takes, so that a signal may come to carry more."""
    try:
        takes = signature(receiver).parameters
    except (TypeError, ValueError):  # one that is not written in Python does not say
        return what
    if any(one.kind is Parameter.VAR_KEYWORD for one in takes.values()):
        return what
    return {name: value for name, value in what.items() if name in takes}
