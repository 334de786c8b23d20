"""The spans of ends, in the process that saw the last viewer go.

A span is begun before the store is told, so that its context is stored in the same atomic act. It
is kept open until the end is known to be one: somebody may come back, to any process, and then
there was no end and nothing is exported.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from opentelemetry.trace import Span, SpanContext

from ..event import EventStatus
from ..store.base import Ended, Reported
from . import spans, tracing

#: Spans kept open at the most; of more, the oldest are let go.
KEEP = 10_000
#: Events asked about at a time.
AT_ONCE = 500
#: Milliseconds by which an end's due time may move where it is put back into the store.
SHIFT_MS = 100


class Leaving(NamedTuple):
    """When somebody left, and in which request.

    :param at: nanoseconds since the epoch.
    """

    at: int
    request: SpanContext


@dataclass(frozen=True)
class EndSpan:
    """The span of an end that may be.

    :param context: its context, as it is stored.
    """

    span: Span
    context: str

    def stopped(self, ended: Ended) -> None:
        """End it, where it is the one of an end that was ordered: in its grace it had one."""
        if ended.trace == self.context:
            self.span.set_attribute(spans.SESSION, ended.session)
            self.span.end()


class _Open(NamedTuple):
    event_id: str
    span: Span
    due: int
    ask_at: float
    ends: int


class EndSpans:
    """One process's spans of ends.

    :param queue: where the alarms of ends go; None: nowhere, they ring in this process.
    """

    def __init__(self, queue: str | None = None) -> None:
        self._attributes: dict[str, str] = {}
        if queue is not None:
            self._attributes = {
                spans.SYSTEM: "rq",
                spans.OPERATION: "enqueue",
                spans.OPERATION_TYPE: "send",
                spans.DESTINATION: queue,
            }
        self.renew()

    def renew(self) -> None:
        """Begin anew in a child process: what is open is its parent's."""
        self._lock = threading.Lock()
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._closes = False

    @property
    def on(self) -> bool:
        """Return whether anything is traced."""
        return tracing.on()

    def leaving(self) -> Leaving | None:
        """Note that somebody leaves now; None where nothing is traced."""
        return Leaving(time.time_ns(), tracing.here()) if self.on else None

    def begin(self, event_id: str, leaving: Leaving | None = None) -> EndSpan | None:
        """Begin the span of an end that may be; None where nothing is traced.

        :param leaving: of the last viewer; None: who acts now.
        """
        leaving = leaving or self.leaving()
        if leaving is None:
            return None
        attributes = {spans.EVENT_ID: event_id, **self._attributes}
        span = tracing.start(spans.END, "", attributes, [leaving.request], leaving.at)
        context = tracing.traceparent(span)
        return EndSpan(span, context) if context else None

    def noted(self, end: EndSpan, row: Reported, now: int) -> None:
        """Keep a span open: the store has its end as pending.

        :param now: the store's time.
        """
        end.span.set_attribute(spans.SESSION, row.session)
        due = row.due or now
        wait = due - now
        one = _Open(
            *(row.event_id, end.span, due),
            ask_at=time.monotonic() + wait / 1000,
            ends=time.time_ns() + wait * 1_000_000,
        )
        with self._lock:
            self._open[row.session] = one
            self._open.move_to_end(row.session)
            if len(self._open) > KEEP:
                self._open.popitem(last=False)
            if not self._closes:
                self._closes = True
                # Before the SDK's own, which was registered earlier.
                atexit.register(self.close)

    def forget(self, sessions: Iterable[str]) -> None:
        """Let spans go: somebody came back, or the session was purged."""
        with self._lock:
            for session in sessions:
                self._open.pop(session, None)

    def to_ask(self) -> list[str]:
        """Return the events whose ends were due: how do they stand?"""
        if not self._open:
            return []
        now = time.monotonic()
        with self._lock:
            return [one.event_id for one in self._open.values() if one.ask_at <= now][:AT_ONCE]

    def learn(self, statuses: Iterable[EventStatus]) -> None:
        """End the spans of sessions that are over, and let those go that went on."""
        found = {status.event_id: status for status in statuses}
        with self._lock:
            asked = [item for item in self._open.items() if item[1].event_id in found]
            for session, one in asked:
                status = found[one.event_id]
                if status.session != session:
                    one.span.end(one.ends)
                elif status.due_at and abs(status.due_at * 1000 - one.due) < SHIFT_MS:
                    continue  # it waits to be claimed
                del self._open[session]

    def close(self) -> None:
        """End what is open, as this process ends: who lives on tells those ends."""
        with self._lock:
            for one in self._open.values():
                one.span.end(min(one.ends, time.time_ns()))
            self._open.clear()
