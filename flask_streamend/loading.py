"""Asking the application for an event.

The loader is the application's code: it may be slow or fail, and by that neither keep a viewer out
nor lose an end.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask

from .aside import Aside
from .canaries import Canaries, is_canary
from .errors import StoreError
from .event import Event
from .telemetry.logs import error_text, log
from .telemetry.tally import Tally
from .telemetry.tracing import carried

EventLoader = Callable[[str], "Event | None"]
ViewerLoader = Callable[[str], "str | None"]

#: Seconds an event loader may take before a viewer is let in without its answer.
TIMEOUT = 2.0
#: Seconds for which an answer is remembered; a found event also while it has viewers here.
REMEMBER = 10.0
#: Answers remembered at the most; beyond it the oldest is asked for again.
REMEMBERED = 10_000
#: Loader calls that may hang at once, before viewers are let in without asking.
HANGING = 16


@dataclass(frozen=True)
class Found:
    """What the event loader said.

    :param event: the event, where there is one.
    :param asked: False where no loader is set.
    :param failed: True where the loader raised, or took too long.
    """

    event: Event | None = None
    asked: bool = True
    failed: bool = False

    @property
    def missing(self) -> bool:
        """Return whether the loader said that there is no such event."""
        return self.asked and not self.failed and self.event is None

    def grace(self, default: float) -> float:
        """Return the event's grace period in seconds, else the default."""
        return default if self.event is None else self.event.grace(default)


class Loading:
    """The event loader of one application, with a bounded memory of its answers.

    :param loader: returns the loader, which may be set late.
    :param holds: says whether an event has viewers in this process.
    :param canaries: events that no application knows: ``flask streamend canary`` made them.
    """

    def __init__(
        self,
        app: Flask,
        loader: Callable[[], EventLoader | None],
        holds: Callable[[str], bool],
        tally: Tally,
        canaries: Canaries | None = None,
    ) -> None:
        self._app = app
        self._loader = loader
        self._holds = holds
        self._tally = tally
        self._canaries = canaries
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[Found, float]] = OrderedDict()
        self._aside = Aside(HANGING)

    def renew(self) -> None:
        """Begin anew in a child process."""
        self._lock = threading.Lock()
        self._aside.renew()

    def event(self, event_id: str) -> Found:
        """Return what is known of an event, asking the loader where nothing is."""
        known = self._known.get(event_id)
        if known is not None:
            found, until = known
            if until > time.monotonic() or (found.event is not None and self._holds(event_id)):
                return found
        found = self.ask(event_id)
        if not found.failed and found.asked:
            with self._lock:
                self._known[event_id] = (found, time.monotonic() + REMEMBER)
                self._known.move_to_end(event_id)
                if len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
        return found

    def ask(self, event_id: str) -> Found:
        """Ask the loader now, aside and in an application context of its own, for two seconds."""
        if self._canaries is not None and is_canary(event_id):
            try:
                return Found(self._canaries.find(event_id))
            except StoreError as away:
                return self._failed(event_id, str(away))
        loader = self._loader()
        if loader is None:
            return Found(asked=False)

        def call() -> Event | None:
            with self._app.app_context():
                return loader(event_id)

        asked = self._aside.call(carried(call))
        if asked is None:
            return self._failed(event_id, f"{HANGING} calls of it hang already")
        if not asked.wait(TIMEOUT):
            return self._failed(event_id, f"it took over {TIMEOUT:g} s")
        if asked.error is not None:
            return self._failed(event_id, error_text(asked.error))
        answer: object = asked.answer  # whatever an application's code returns
        if answer is None or (isinstance(answer, Event) and answer.id == event_id):
            return Found(answer)
        if isinstance(answer, Event):
            return self._failed(event_id, f"it returned the event {answer.id}")
        return self._failed(event_id, f"it returned {type(answer).__name__}, no Event")

    def _failed(self, event_id: str, why: str) -> Found:
        self._tally.error("event_loader")
        log.warning(
            "The event loader failed for event %s: %s", event_id, why, extra={"event_id": event_id}
        )
        return Found(failed=True)
