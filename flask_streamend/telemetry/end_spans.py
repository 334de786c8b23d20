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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from opentelemetry.trace import Span, SpanContext

from ..store.base import Ended, Reported
from . import spans, tracing

#: Spans kept open at the most; of more, the oldest are let go.
KEEP = 10_000
#: Ends asked about at a time.
AT_ONCE = 500


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
    :param begun: nanoseconds since the epoch; before the store was told.
    """

    span: Span
    context: str
    begun: int

    def stopped(self, ended: Ended) -> None:
        """End it, where it is the one of an end that was ordered: in its grace it had one."""
        if ended.trace == self.context:
            self.span.set_attribute(spans.SESSION, ended.session)
            self.span.end()


class _Open(NamedTuple):
    event_id: str
    end: EndSpan
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
        return EndSpan(span, context, time.time_ns()) if context else None

    def noted(self, end: EndSpan, row: Reported, now: int) -> None:
        """Keep a span open: the store has its end as pending.

        :param now: the store's time.
        """
        end.span.set_attribute(spans.SESSION, row.session)
        wait = (row.due or now) - now
        one = _Open(
            *(row.event_id, end),
            ask_at=time.monotonic() + wait / 1000,
            ends=end.begun + wait * 1_000_000,
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
        if not self._open:
            return
        with self._lock:
            for session in sessions:
                self._open.pop(session, None)

    def to_ask(self) -> list[tuple[str, str]]:
        """Return pairs of event and session, of the ends that were due: what became of them?"""
        if not self._open:
            return []
        now = time.monotonic()
        with self._lock:
            due = [(one.event_id, s) for s, one in self._open.items() if one.ask_at <= now]
        return due[:AT_ONCE]

    def learn(
        self, asked: Iterable[tuple[str, str]], traces: Mapping[str, tuple[str, bool]]
    ) -> None:
        """End the spans of ends that were decided, and let those go that somebody cancelled.

        :param traces: what the store knows of those that were asked about.
        """
        decided = []
        with self._lock:
            for _, session in asked:
                context, over = traces.get(session, ("", True))
                one = self._open.get(session)
                if one is None or (one.end.context == context and not over):
                    continue  # it waits to be claimed
                del self._open[session]
                if one.end.context == context:
                    decided.append(one)
        for one in decided:
            one.end.span.end(one.ends)

    def close(self) -> None:
        """End what is open, as this process ends: who lives on tells those ends."""
        with self._lock:
            pending = list(self._open.values())
            self._open.clear()
        for one in pending:
            one.end.span.end(min(one.ends, time.time_ns()))
