"""Having recorded what became of each notice, where the event loader keeps such records.

The ledger in the store is the truth, and the record follows it: what can't be written now is owed,
and neither holds up a notice nor repeats one.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Protocol, runtime_checkable

from flask import Flask, current_app

from ..aside import Aside
from ..canaries import is_canary
from ..errors import PermanentError
from ..event import NoticeRecord
from ..store.base import Outcome
from ..store.deliveries import Delivery
from ..telemetry.logs import error_text, log
from ..telemetry.tally import Tally
from .mail import message_id, sender_of

#: Records written at a time.
BATCH = 100
#: Seconds after which writing them is a failure, whatever comes of it.
TIMEOUT = 5.0
#: Seconds without a try after one that failed: the first, doubling, and the longest.
REST, LONGEST_REST = 1.0, 30.0
#: Records owed at the most; beyond it the oldest is given up.
OWED = 10_000
#: Seconds for which a process that ends goes on where nothing can be written.
FINISH = 5.0


@runtime_checkable
class Recorder(Protocol):
    """An event loader that also records notices."""

    def record(self, notices: Sequence[NoticeRecord]) -> None:
        """Record what became of notices, all or none; a repeat must make no second record.

        :raises PermanentError: where another try is useless, for one of them at least: each is
            then tried alone. Anything else raised is tried again.
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
        self._since = float("inf")

    def settled(
        self,
        delivery: Delivery,
        channel: str,
        outcome: Outcome,
        error: str,
        late: int,
        message: str = "",
    ) -> None:
        """Have an attempt's outcome recorded; nobody waits for it.

        :param late: milliseconds since the event was due; negative: the delivery was no longer
            this process's, and what it knows counts only where it was sent.
        :param message: the message's id, where it is not the end's own: of a digest.
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
            message_id=message or message_id(delivery.event_id, delivery.session, sender),
            attempts=delivery.attempts + (outcome is not Outcome.SKIPPED),
            error=error,
            # Where the store forgot the delivery there is no clock but this process's.
            at=(delivery.due + late) / 1000 if late >= 0 else time.time(),
        )
        with self._lock:
            key = _key(record)
            self._owed.pop(key, None)
            self._owed[key] = record
            dropped = self._owed.popitem(last=False)[1] if len(self._owed) > OWED else None
        if dropped is not None:
            self._give_up(dropped, f"{OWED} records are owed already")
        self.tick()

    def tick(self) -> None:
        """Begin to write what is owed, when it is time."""
        now = time.monotonic()
        if not self._owed or now < self._next:
            return
        if self._aside.call(self._write) is None and now > self._since + TIMEOUT:
            self._failed(next(iter(self._owed.values())), TimeoutError(f"over {TIMEOUT:g} s"))

    def finish(self) -> None:
        """Write what is owed before this process ends; give up what can't be written."""
        owed, until = len(self._owed), time.monotonic() + FINISH
        while self._owed:
            call = self._aside.call(self._write)
            if call is not None:
                call.wait(FINISH)
            if len(self._owed) < owed:
                owed, until = len(self._owed), time.monotonic() + FINISH
            elif time.monotonic() > until:
                break
            else:
                time.sleep(0.1)
        with self._lock:
            rest, self._owed = self._owed, OrderedDict()
        for record in rest.values():
            self._give_up(record, "the process ends")

    def _write(self) -> None:
        """Write what is owed, some at a time: while they are written, the next ones gather."""
        while True:
            with self._lock:
                batch = list(islice(self._owed.values(), BATCH))
            if not batch or not self._written(batch):
                return

    def _written(self, batch: list[NoticeRecord]) -> bool:
        recorder = self._loader()
        self._since = time.monotonic()
        try:
            if isinstance(recorder, Recorder):
                with self._app.app_context():
                    recorder.record(batch)
        except PermanentError as error:
            if len(batch) > 1:
                return all([self._written([record]) for record in batch])
            self._give_up(batch[0], error_text(error))
        except Exception as error:  # noqa: BLE001 - whatever an application's code raises
            self._failed(batch[0], error)
            return False
        else:
            self._works()
        finally:
            self._since = float("inf")
        with self._lock:
            for record in batch:
                # Unless there is news of it meanwhile.
                if self._owed.get(_key(record)) is record:
                    del self._owed[_key(record)]
        return True

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

    def _give_up(self, record: NoticeRecord, why: str) -> None:
        self._tally.error("event_loader")
        log.error(
            "The notice of event %s, %s, is in the ledger and not recorded: %s",
            record.event_id,
            record.status,
            why,
            extra=_extra(record),
        )


def _key(record: NoticeRecord) -> tuple[str, str, str]:
    return record.event_id, record.session, record.channel


def _extra(record: NoticeRecord) -> dict[str, object]:
    return {
        "event_id": record.event_id,
        "session": record.session,
        "channel": record.channel,
        "status": record.status,
    }
