"""Whoever hears an alarm: claims what is due, tells the hosts, records how it went."""

from __future__ import annotations

import random
import secrets
import time
from dataclasses import dataclass

from flask import current_app

from .. import signals
from ..ending import Alarm, Alarms
from ..errors import PermanentError, StoreError
from ..event import Event, Notice
from ..loading import Loading
from ..observing import Observers
from ..settings import Settings
from ..store.base import Delivery, Kept, Outcome
from ..store.interface import Store
from ..telemetry.logs import error_text, log, mask_address
from ..telemetry.names import NOTIFICATIONS
from ..telemetry.tracing import notifying, sending, settled, traced
from .base import Channel, Preparing, Skip
from .failures import reason_of
from .mail import MailChannel, event_url, message_id, sender_of
from .recording import Recording
from .smtp import longest

#: Ends claimed, and deliveries leased, at a time.
BATCH = 100
#: Milliseconds a delivery that was taken waits for its turn, before another worker may take it.
TURN_MS = 15_000
#: Milliseconds it stays leased while it is sent, beyond the longest an exchange may take.
SPARE_MS = 5_000
#: Seconds for which an attempt's outcome is kept for a store that is away: below the lease.
RECORD = 45.0
#: Seconds after which a deliverer hands over to the next alarm: well below the job's time-out.
BUDGET = 120.0
#: The back-off's ceiling, in seconds.
LONGEST_WAIT = 1800.0

#: Why a host is not told, in words.
SKIPS = {
    "no_loader": "no event loader is set (@streamend.event_loader)",
    "no_event": "the event loader knows no such event",
    "no_address": "the event has no host_email",
    "muted": "the host wants no notices",
    "suppressed": "mail-suppressed: Flask-Mail sends nothing under TESTING or MAIL_SUPPRESS_SEND",
}


@dataclass(frozen=True)
class _Result:
    """How an attempt went.

    :param error: what went wrong, or why it was skipped.
    :param reason: the same in one word of the metrics.
    :param took: milliseconds; -1 where there was no attempt.
    """

    outcome: Outcome
    error: str = ""
    reason: str = ""
    took: int = -1


class Deliverer:
    """Claims and delivers for one application, within its context."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        alarms: Alarms,
        loading: Loading,
        observers: Observers,
        channel: MailChannel,
        recording: Recording,
    ) -> None:
        self._settings = settings
        self._store = store
        self._alarms = alarms
        self._loading = loading
        self._observers = observers
        self._channel = channel
        self._recording = recording
        self._owner = secrets.token_hex(8)
        self._lease = int(max(longest(settings), RECORD) * 1000) + SPARE_MS

    def keep_connection(self) -> None:
        """Keep the mail connection between two deliveries: in a worker that does not fork."""
        self._channel.keep()

    def deliver_due(self) -> None:
        """Tell every end that is due, and try again what is to be tried again.

        :raises StoreError: where the store does not answer; what was leased comes up again.
        """
        until = time.monotonic() + BUDGET
        with self._channel as channel:
            while time.monotonic() < until:
                ended = self._store.claim(BATCH)
                self._alarms.disarm([end.session for end in ended])
                for end in ended:
                    self._observers.now(signals.event_ended, **end.what())
                taken = self._store.take(self._owner, TURN_MS, BATCH)
                if not taken:
                    break
                for delivery in taken:
                    with notifying(delivery, channel.name):
                        self._deliver(delivery, channel)

    def _deliver(self, delivery: Delivery, channel: Channel) -> None:
        try:
            self._tell(delivery, channel)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - else it kept all that is due after it waiting
            self._failed(delivery, channel, error, -1)

    def _tell(self, delivery: Delivery, channel: Channel) -> None:
        found = self._loading.ask(delivery.event_id)
        if found.failed:
            result = _Result(Outcome.POSTPONED, "the event loader failed")
            self._settle(delivery, channel, result)
            return
        event = found.event
        if event is None:
            self._skip(delivery, channel, "no_event" if found.asked else "no_loader")
            return
        if event.preferences is not None and event.preferences.muted:
            self._skip(delivery, channel, "muted")
            return
        if not event.host_email:
            self._skip(delivery, channel, "no_address")
            return
        host = mask_address(event.host_email)
        log.info(
            "Event end notification scheduled for host %s for event %s",
            host,
            delivery.event_id,
            extra={**_extra(delivery, channel), "host": host},
        )
        self._attempt(delivery, event, channel)

    def _skip(self, delivery: Delivery, channel: Channel, reason: str) -> None:
        log.warning(
            "Event %s ended and its host is not told: %s",
            delivery.event_id,
            SKIPS.get(reason, reason),
            extra={**_extra(delivery, channel), "reason": reason},
        )
        self._settle(delivery, channel, _Result(Outcome.SKIPPED, reason))

    def _attempt(self, delivery: Delivery, event: Event, channel: Channel) -> None:
        began = time.monotonic()
        try:
            with sending(delivery, channel.name, harmless=(Skip, StoreError)):
                if isinstance(channel, Preparing):
                    channel.prepare()
                if not self._store.sending(delivery.id, self._owner, self._lease):
                    log.warning(
                        "Event %s: held, or another worker sends",
                        delivery.event_id,
                        extra=_extra(delivery, channel),
                    )
                    return
                channel.send(self._notice(delivery, event))
        except StoreError:
            raise
        except Skip as skip:
            self._skip(delivery, channel, skip.reason)
        except Exception as error:  # noqa: BLE001 - whatever a channel raises is its failure
            private = (event.name, self._settings.frontend_url)
            self._failed(delivery, channel, error, _ms_since(began), private)
        else:
            self._settle(delivery, channel, _Result(Outcome.SENT, took=_ms_since(began)))
            self._observers.now(signals.notification_sent, **delivery.what())

    def _notice(self, delivery: Delivery, event: Event) -> Notice:
        return Notice(
            event=event,
            session=delivery.session,
            due_at=delivery.due / 1000,
            stopped=delivery.clients > 0,
            url=event_url(self._settings.frontend_url, delivery.event_id),
            message_id=message_id(
                delivery.event_id, delivery.session, sender_of(current_app.config)
            ),
            started_at=delivery.started / 1000,
            peak=delivery.peak,
            unique_viewers=delivery.unique_viewers,
        )

    def _failed(
        self,
        delivery: Delivery,
        channel: Channel,
        error: Exception,
        took: int,
        private: tuple[str, ...] = (),
    ) -> None:
        last = delivery.attempts + 1 >= self._settings.max_attempts
        outcome = Outcome.DEAD if last or isinstance(error, PermanentError) else Outcome.FAILED
        text = error_text(error, private)
        log.error(
            "Failed to send event end notification for event %s: %s",
            delivery.event_id,
            text,
            extra={
                **_extra(delivery, channel),
                "outcome": outcome.value,
                "attempt": delivery.attempts + 1,
            },
        )
        self._observers.failed("channel")
        self._observers.now(signals.notification_failed, error=text, **delivery.what())
        self._settle(delivery, channel, _Result(outcome, text, reason_of(error), took))

    def _settle(self, delivery: Delivery, channel: Channel, result: _Result) -> None:
        retry = self._backoff(delivery.attempts)
        late = self._record(delivery, channel, result, retry)
        if late >= 0 and result.outcome in (Outcome.FAILED, Outcome.POSTPONED):
            at = delivery.due + late + retry
            trace = delivery.trace or traced().context
            self._alarms.arm([Alarm(delivery.event_id, delivery.session, at, retry, trace)])
        elif delivery.again or delivery.attempts:
            self._alarms.disarm([delivery.session])
        self._recording.settled(delivery, channel.name, result.outcome, result.error, late)

    def _record(self, delivery: Delivery, channel: Channel, result: _Result, retry: int) -> int:
        """Record an outcome, for a while even if the store is away: else it may be told twice."""
        until, wait = time.monotonic() + RECORD, 0.1
        skipped = result.error if result.outcome is Outcome.SKIPPED else ""
        attempt = settled(result.outcome.value, result.reason or skipped)
        while True:
            try:
                late = self._store.settle(
                    *(delivery.id, self._owner, channel.name, result.outcome, result.error),
                    *(retry, result.reason, result.took, attempt.trace_id, attempt.context),
                )
                if late < 0 and result.outcome is Outcome.SENT:
                    self._told(delivery, channel)
                return late
            except StoreError:
                if time.monotonic() > until:
                    raise
                time.sleep(wait)
                wait = min(1.0, 2 * wait)

    def _told(self, delivery: Delivery, channel: Channel) -> None:
        """Have the store know what was told: it was emptied meanwhile, or the lease lapsed."""
        left = delivery.due - self._store.look(None).now
        told = Kept(
            *(delivery.event_id, delivery.session),
            age=-left,
            left=left,
            clients=delivery.clients,
            state="sent",
            channel=channel.name,
            attempts=delivery.attempts + 1,
            trace=delivery.trace,
        )
        self._store.put_back("", [told])
        self._store.add({NOTIFICATIONS.field(channel.name, "sent"): 1})

    def _backoff(self, attempts: int) -> int:
        """Return the milliseconds until the next try: doubling, with jitter of a quarter."""
        wait = min(LONGEST_WAIT, self._settings.retry_backoff * 2 ** min(attempts, 20))
        return int(wait * 1000 * random.uniform(0.75, 1.0))  # noqa: S311 - jitter is no secret


def _ms_since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)


def _extra(delivery: Delivery, channel: Channel) -> dict[str, object]:
    return {
        "event_id": delivery.event_id,
        "session": delivery.session,
        "channel": channel.name,
    }
