"""A canary's flight: a made-up event goes the whole real way, and each stage's time is noted.

A viewer is counted in the store and leaves, the grace period passes, an alarm goes through the
queue to a worker, which claims the end, asks for the event, and has the mail server take the mail.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from ..canaries import DELAY
from ..errors import StoreError
from ..event import Event, EventStatus
from ..notices.attempts import SKIPS
from ..problems import line
from ..state import AppState
from ..store.base import Record
from ..store.bounds import KEEP_COUNT
from ..telemetry.queues import look_at_workers
from .visit import ERRORS, Visit

#: Seconds between two looks.
LOOK = 0.02
#: Seconds between two looks at the ledger, which cost more.
LEDGER = 1.0
#: Seconds for which the canary is known beyond the time it is waited for.
SPARE = 30.0

#: The stages, each with what came to pass.
STAGES = {
    "made": "an event that every process can open, for this long only",
    "seen": "a viewer is counted",
    "left": f"the grace period begins: {DELAY:g} s",
    "due": "nobody came back",
    "claimed": "a worker heard, and has it",
    "sent": "the mail server took it",
}
#: What is wrong where the canary gets no further, by the stage it waits for.
STOPS = {
    "seen": "no viewer was counted",
    "left": "the viewer is still counted",
    "due": "the end was not due",
    "claimed": "no worker took it, though one reads the queue",
    "sent": "a worker has it, and the mail server did not take it",
}
#: Why the worker would not know of it.
STRANGER = "the worker can't open the canary: see worker-keys and worker-elsewhere"


@dataclass(frozen=True)
class Passed:
    """A stage that was passed.

    :param at: seconds since the start.
    """

    stage: str
    at: float
    text: str


class Stopped(Exception):
    """The canary got no further.

    :param stage: what it did not reach.
    """

    def __init__(self, stage: str, why: str) -> None:
        super().__init__(why)
        self.stage = stage


class Flight:
    """One canary.

    :param address: where the mail goes.
    :param url: watch by a WebSocket through this address; None: be counted by name.
    :param timeout: seconds for the whole way.
    """

    def __init__(self, state: AppState, name: str, address: str, url: str | None, timeout: float):
        self._state = state
        self._url = url
        self._began = time.monotonic()
        self._timeout = timeout
        self._until = self._began + timeout
        self._watching = ExitStack()
        self.event: Event = state.canaries.make(name, address, timeout + SPARE)
        self._session = ""
        self._record: Record | None = None
        self._read_at = 0.0

    def stages(self) -> Iterator[Passed]:
        """Yield each stage when it is passed.

        :raises Stopped: where it gets no further in time.
        :raises StoreError: where the store does not answer.
        """
        yield self._passed("made")
        self._come()
        yield self._wait("seen", lambda: self._status().state == "live")
        self._session = self._status().session or ""
        self._leave()
        yield self._wait("left", lambda: self._status().state != "live")
        due = time.monotonic() + DELAY
        yield self._wait("due", lambda: time.monotonic() >= due)
        yield self._wait("claimed", lambda: self._status().session != self._session)
        yield self._wait("sent", self._told)

    def end(self) -> None:
        """Leave nothing behind: what was not told by now is not told."""
        self._watching.close()
        with suppress(StoreError):
            self._state.canaries.forget(self.event.id)
            if self._status().state != "idle":
                self._state.extension.purge(self.event.id)

    def _come(self) -> None:
        extension, event_id = self._state.extension, self.event.id
        if self._url is None:
            # Gone by itself, should this process die.
            extension.seen(event_id, "canary", ttl=max(1.0, self._until - time.monotonic()))
            return
        token = extension.join_token(event_id, "canary")
        path = f"{self._state.settings.url_prefix}/ws/{event_id}?token={token}"
        try:
            answer = self._watching.enter_context(Visit(self._url)).shake_hands(path)
        except ERRORS as error:
            raise Stopped("seen", f"{self._url} {type(error).__name__}: {error}") from error
        if answer.status != 101:
            said = answer.said.get("error", "which is not this site's answer")
            why = f"{self._url} answered {answer.status}, {said}"
            raise Stopped("seen", f"{why}: {answer.said.get('message', 'see proxy')}")

    def _leave(self) -> None:
        if self._url is None:
            self._state.extension.leave(self.event.id, "canary")
        else:
            self._watching.close()

    def _status(self) -> EventStatus:
        return self._state.store.status([self.event.id])[0]

    def _told(self) -> bool:
        """Return whether the mail was taken.

        :raises Stopped: where it never will be.
        """
        owed = self._state.store.still_owed([(self.event.id, self._session)])
        if not owed or time.monotonic() >= self._read_at:
            self._read_ledger()
        record = self._record
        if owed or record is None:
            return False
        if record.state == "skipped":
            why = STRANGER if record.error == "no_event" else SKIPS.get(record.error, record.error)
            raise Stopped("sent", f"skipped: {why}")
        if record.state == "dead":
            raise Stopped("sent", f"given up: {record.error}")
        return record.state == "sent"

    def _read_ledger(self) -> None:
        self._read_at = time.monotonic() + LEDGER
        for record in self._state.store.records(KEEP_COUNT):
            if record.session == self._session:
                self._record = record

    def _wait(self, stage: str, there: Callable[[], bool]) -> Passed:
        while not there():
            if time.monotonic() >= self._until:
                raise Stopped(stage, f"not within {self._timeout:g} s: {self._why(stage)}")
            # As a web process does for those it saw leave: who sees the last one leave rings.
            self._state.endings.tick()
            time.sleep(LOOK)
        return self._passed(stage)

    def _why(self, stage: str) -> str:
        if stage == "claimed":
            totals, queue = self._state.store.totals(0), self._state.settings.queue
            met = {"held": totals.hold, "catching-up": totals.gap, "no-worker": not self._heard()}
            found = [line(code, queue=queue) for code, there in met.items() if there]
            return found[0] if found else STOPS[stage]
        if stage == "sent" and self._record is not None and self._record.error:
            return f"{STOPS[stage]}: {self._record.error}"
        return STOPS[stage]

    def _heard(self) -> bool:
        """Return whether somebody reads the queue."""
        assert self._state.redis is not None
        queue = self._state.settings.queue
        return any(queue in worker.queues for worker in look_at_workers(self._state.redis))

    def _passed(self, stage: str) -> Passed:
        text = STAGES[stage]
        record = self._record
        if stage == "sent" and record is not None and record.settled_at is not None:
            late = (record.settled_at - record.due_at) * 1000
            text += f", {late:.0f} ms after it was due"
        return Passed(stage, time.monotonic() - self._began, text)
