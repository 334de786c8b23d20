"""Who watches what in this process: its sockets and streams, and what it knows of their events."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from .event import EventStatus
from .known import Known
from .observing import Observers
from .store.base import Change, Held, Over
from .telemetry.end_spans import EndSpan, EndSpans
from .viewers import Viewer

#: Seconds for which changes that are neither first nor last are gathered into one report.
GATHER = 0.1
#: Seconds between two reports at the least: in a storm of firsts and lasts one speaks for many.
APART = 0.02
#: Close code of the range for private use (RFC 6455, 7.4.2): the stream was stopped, don't return.
STOPPED = 4000


class Crowd:
    """The viewers one process holds.

    :param observers: told of who came and went.
    :param wake: called with a number of seconds, within which what changed is to be reported.
    :param spans: traces what may be an end.
    """

    def __init__(
        self, observers: Observers, wake: Callable[[float], None], spans: EndSpans | None = None
    ) -> None:
        self._observers = observers
        self._spans = spans or EndSpans()
        self._wake = wake
        self._lock = threading.Lock()
        self._viewers: dict[str, set[Viewer]] = {}
        # Those of them who want to hear how many watch: most want nothing, and cost no look.
        self._listeners: dict[str, set[Viewer]] = {}
        self._total = 0
        # Of a session that was stopped: told to go, counted no more, and not gone yet.
        self._let_go: set[Viewer] = set()
        self._known: dict[str, Known] = {}
        self._changed: set[str] = set()
        self._flush_at: float | None = None
        self._flushed_at = 0.0

    def enter(self, event_id: str, viewer: Viewer, delay: float) -> None:
        """Count a viewer.

        :param delay: the event's grace period, in seconds.
        """
        with self._lock:
            viewers = self._viewers.setdefault(event_id, set())
            viewers.add(viewer)
            if viewer.listens:
                self._listeners.setdefault(event_id, set()).add(viewer)
            self._total += 1
            known = self._known.get(event_id)
            if known is None:
                known = self._known[event_id] = Known()
            known.most = max(len(viewers), known.most)
            known.leaving = None
            known.delay = int(delay * 1000)
            known.met(viewer.name)
            self._note(event_id, urgent=len(viewers) == 1)
        self._observers.joined(event_id)

    def leave(self, event_id: str, viewer: Viewer) -> None:
        """Count a viewer no more."""
        with self._lock:
            if viewer in self._let_go:
                self._let_go.remove(viewer)
                return
            viewers = self._viewers[event_id]
            viewers.remove(viewer)
            if viewer.listens:
                self._listens_no_more(event_id, viewer)
            self._total -= 1
            if not viewers:
                del self._viewers[event_id]
                if event_id in self._known:
                    known = self._known[event_id]
                    known.left, known.leaving = time.monotonic(), self._spans.leaving()
            self._note(event_id, urgent=not viewers)
        self._observers.left(event_id)

    def _listens_no_more(self, event_id: str, viewer: Viewer) -> None:
        listeners = self._listeners[event_id]
        listeners.remove(viewer)
        if not listeners:
            del self._listeners[event_id]

    def _note(self, event_id: str, urgent: bool) -> None:
        """Note a change for the next report, and have it made sooner if need be."""
        self._changed.add(event_id)
        now = time.monotonic()
        at = max(now, self._flushed_at + APART) if urgent else now + GATHER
        if self._flush_at is None or self._flush_at > at:
            self._flush_at = at
            self._wake(at - now)

    @contextmanager
    def viewing(self, event_id: str, viewer: Viewer, delay: float) -> Iterator[None]:
        """Count a viewer for as long as the context lasts."""
        self.enter(event_id, viewer, delay)
        try:
            yield
        finally:
            self.leave(event_id, viewer)

    def counts(self) -> dict[str, int]:
        """Return how many viewers this process holds, by event."""
        with self._lock:
            return {event_id: len(viewers) for event_id, viewers in self._viewers.items()}

    def holds(self, event_id: str) -> bool:
        """Return whether an event has viewers in this process."""
        return event_id in self._viewers

    def total(self) -> int:
        """Return how many viewers this process holds."""
        return self._total

    def status(self, event_id: str) -> EventStatus:
        """Return how an event stands, for all that this process knows by itself."""
        with self._lock:
            known, clients = self._known.get(event_id), len(self._viewers.get(event_id, ()))
            if known is None or not clients:
                return EventStatus(event_id, "idle")
            began = time.time() - (time.monotonic() - known.began)
            peak = max(known.peak, known.most, clients)
            return EventStatus(event_id, "live", clients, known.session, began, None, peak)

    def everybody(self) -> list[Viewer]:
        """Return every viewer this process holds."""
        with self._lock:
            return [viewer for viewers in self._viewers.values() for viewer in viewers]

    def watchers(self, event_id: str) -> int:
        """Return an event's viewers: this process's exactly, the others' as last heard."""
        with self._lock:
            known = self._known.get(event_id)
            elsewhere = 0 if known is None else known.elsewhere
            return len(self._viewers.get(event_id, ())) + elsewhere

    def shared(self, events: Iterable[str] | None) -> None:
        """Note that other processes came to hold viewers of events too; None: of any."""
        with self._lock:
            for event_id in list(self._known) if events is None else events:
                if event_id in self._known:
                    self._known[event_id].alone = False

    def over(self, over: Over, now: int) -> Known | None:
        """Act on a session's being stopped or purged while this process may hold viewers of it.

        :param now: the store's time.
        :returns: what was known of it; None: it is none that is known here.
        """
        event_id, stopped = over.event_id, over.change is Change.STOPPED
        with self._lock:
            known = self._known.get(event_id)
            if known is None or known.session != over.session:
                return None
            viewers = list(self._viewers.get(event_id, ()))
            if stopped:
                self._viewers.pop(event_id, None)
                self._listeners.pop(event_id, None)
                self._let_go.update(viewers)
                self._total -= len(viewers)
                del self._known[event_id]
            else:
                known.renew()
                known.names.update(viewer.name for viewer in viewers if viewer.name)
                self._note(event_id, urgent=True)
        if stopped:
            for viewer in viewers:
                viewer.stop(STOPPED)
            self._observers.let_go(over, len(viewers), now)
        return known

    def listening(self) -> list[str]:
        """Return the events with a viewer here who wants to hear how many watch."""
        with self._lock:
            return list(self._listeners)

    def tell(self, event_id: str, clients: int) -> None:
        """Tell an event's viewers here how many watch."""
        with self._lock:
            listeners = list(self._listeners.get(event_id, ()))
            if event_id in self._known:
                here = len(self._viewers.get(event_id, ()))
                self._known[event_id].elsewhere = max(0, clients - here)
        for viewer in listeners:
            viewer.tell(clients)

    def _had_viewers(self, events: Iterable[str]) -> None:
        """Have the next report say that events had viewers, should they leave before it is made."""
        with self._lock:
            for event_id in events:
                if event_id in self._known:
                    self._known[event_id].most = max(1, self._known[event_id].most)

    def _held(self, event_id: str, number: int, whole: bool = False) -> Held:
        """Return what is reported of an event.

        :param number: the next report's to the store.
        :param whole: to a store that may know nothing of it.
        """
        known, viewers = self._known.get(event_id) or Known(), self._viewers.get(event_id, set())
        if whole:
            known.names.update(viewer.name for viewer in viewers if viewer.name)
        return known.held(len(viewers), number)

    def _named(self, event_id: str, names: tuple[str, ...]) -> None:
        """Note that a report with these names was answered, and have the others follow."""
        known = self._known.get(event_id)
        if names and known is not None:
            known.names.difference_update(names)
            if known.names:
                self._note(event_id, urgent=False)

    def _begin_ends(self, held: dict[str, Held]) -> dict[str, EndSpan]:
        """Begin the spans of what may end by a report, which then has their contexts."""
        if not self._spans.on:
            return {}
        with self._lock:
            left = {e: self._known[e].leaving for e in held.keys() & self._known.keys()}
        ends = {}
        for event_id, leaving in left.items():
            if leaving is None or held[event_id].count:
                continue
            if (end := self._spans.begin(event_id, leaving)) is not None:
                held[event_id] = replace(held[event_id], trace=end.context)
                ends[event_id] = end
        return ends
