"""Having recorded what became of each notice, where the event loader keeps such records.

The ledger in the store is the truth, and the record follows it: what can't be written now is owed,
and neither holds up a notice nor repeats one.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from flask import Flask, current_app

from ..aside import Aside
from ..canaries import is_canary
from ..errors import PermanentError
from ..event import NoticeRecord
from ..store.base import Delivery, Outcome
from ..telemetry.logs import error_text, log
from ..telemetry.tally import Tally
from .mail import message_id, sender_of

#: Seconds a notice's record may hold up what is done next.
TIMEOUT = 2.0
#: Seconds for which what is owed is written at a time.
SLICE = 1.0
#: Seconds without a try after one that failed: the first, doubling, and the longest.
REST, LONGEST_REST = 1.0, 30.0
#: Records owed at the most; beyond it the oldest is given up.
OWED = 1000
#: Seconds for which a process that ends tries to write what it owes.
FINISH = 5.0


@runtime_checkable
class Recorder(Protocol):
    """An event loader that also records notices."""

    def record(self, notice: NoticeRecord) -> None:
        """Record what became of a notice; a repeat must make no second record.

        :raises PermanentError: where another try is useless; anything else raised is tried again.
        """


class Recording:
    """The records of one application's notices, with a bounded memory of those it owes.

    :param loader: returns the event loader, which may be set late, and be a :class:`Recorder`.
    """

    def __init__(self, app: Flask, loader: Callable[[], object], tally: Tally) -> None:
        self._app = app
        self._loader = loader
        self._tally = tally
        self._aside = Aside(1)
        self.renew()

    def renew(self) -> None:
        """Begin anew in a child process: what is owed here is its parent's to write."""
        self._lock = threading.Lock()
        self._aside.renew()
        self._owed: OrderedDict[tuple[str, str, str], NoticeRecord] = OrderedDict()
        self._rest = 0.0
        self._next = 0.0

    def settled(
        self, delivery: Delivery, channel: str, outcome: Outcome, error: str, late: int
    ) -> None:
        """Have an attempt's outcome recorded, for two seconds; else it is owed.

        :param late: milliseconds since the event was due; negative: the delivery was no longer
            this process's, and what it knows counts only where it was sent.
        """
        foreign = late < 0 and outcome is not Outcome.SENT
        if outcome is Outcome.POSTPONED or foreign or is_canary(delivery.event_id):
            return
        if not isinstance(self._loader(), Recorder):
            return
        sender = sender_of(current_app.config)
        record = NoticeRecord(
            event_id=delivery.event_id,
            session=delivery.session,
            channel=channel,
            status="retrying" if outcome is Outcome.FAILED else outcome.value,
            message_id=message_id(delivery.event_id, delivery.session, sender),
            attempts=delivery.attempts + (outcome is not Outcome.SKIPPED),
            error=error,
            # Where the store forgot the delivery there is no clock but this process's.
            at=(delivery.due + late) / 1000 if late >= 0 else time.time(),
        )
        with self._lock:
            key = (record.event_id, record.session, record.channel)
            self._owed.pop(key, None)
            self._owed[key] = record
            dropped = self._owed.popitem(last=False)[1] if len(self._owed) > OWED else None
        if dropped is not None:
            self._give_up(dropped, f"{OWED} records are owed already")
        if time.monotonic() >= self._next:
            self._try()

    def tick(self) -> None:
        """Begin to write what is owed, when it is time; nobody waits for it."""
        if self._owed and time.monotonic() >= self._next:
            self._aside.call(self._write)

    def finish(self) -> None:
        """Write what is owed before this process ends, for a bounded time; give up the rest."""
        until = time.monotonic() + FINISH
        while self._owed:
            if time.monotonic() > until:
                with self._lock:
                    owed, self._owed = self._owed, OrderedDict()
                for record in owed.values():
                    self._give_up(record, "the process ends")
                return
            if not self._try():
                time.sleep(0.2)

    def _try(self) -> bool:
        """Write what is owed; return whether it was done within the time for it."""
        call = self._aside.call(self._write)
        return call is not None and call.wait(TIMEOUT) and not self._rest

    def _write(self) -> None:
        until = time.monotonic() + SLICE
        while self._owed and time.monotonic() < until:
            with self._lock:
                key, record = next(iter(self._owed.items()))
            try:
                self._record(record)
            except PermanentError as error:
                self._give_up(record, str(error))
            except Exception as error:  # noqa: BLE001 - whatever an application's code raises
                self._failed(record, error)
                return
            else:
                self._works()
            with self._lock:
                # Unless there is news of it meanwhile.
                if self._owed.get(key) is record:
                    del self._owed[key]

    def _record(self, record: NoticeRecord) -> None:
        recorder = self._loader()
        if isinstance(recorder, Recorder):
            with self._app.app_context():
                recorder.record(record)

    def _works(self) -> None:
        if self._rest:
            self._rest = self._next = 0.0
            log.info("Notices are recorded again")

    def _failed(self, record: NoticeRecord, error: Exception) -> None:
        self._tally.error("event_loader")
        if not self._rest:
            log.warning(
                "The notice of event %s is not recorded yet, and goes on: %s",
                record.event_id,
                error_text(error),
                extra=_extra(record),
            )
        self._rest = min(LONGEST_REST, 2 * self._rest or REST)
        self._next = time.monotonic() + self._rest
        with self._lock:
            # Whatever is wrong with this one, the next may be written before it.
            key = (record.event_id, record.session, record.channel)
            if key in self._owed:
                self._owed.move_to_end(key)

    def _give_up(self, record: NoticeRecord, why: str) -> None:
        self._tally.error("event_loader")
        log.error(
            "The notice of event %s, %s, is in the ledger and not recorded: %s",
            record.event_id,
            record.status,
            why,
            extra=_extra(record),
        )


def _extra(record: NoticeRecord) -> dict[str, object]:
    return {
        "event_id": record.event_id,
        "session": record.session,
        "channel": record.channel,
        "status": record.status,
    }
