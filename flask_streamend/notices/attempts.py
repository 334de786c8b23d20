"""An attempt at a notice by one channel, and what comes of it: sent, skipped, failed, given up."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from flask import current_app

from .. import signals
from ..errors import PermanentError, StoreError
from ..event import Event, Notice
from ..observing import Observers
from ..settings import Settings
from ..store.base import Outcome
from ..store.deliveries import Delivery, Member
from ..store.interface import Store
from ..telemetry.logs import error_text, log
from ..telemetry.tracing import sending
from .base import Channel, Preparing, Skip
from .failures import HungUp, reason_of
from .mail import event_url, message_id, sender_of
from .recording import Recording
from .settling import RECORD, Result, Settling

#: Milliseconds a delivery stays leased while it is sent, beyond the longest an exchange may take.
SPARE_MS = 5_000
#: Why an attempt failed that waited for somebody: the next may wait as long.
WAITED = ("connect", "timeout")

#: Why a host is not told, in words.
SKIPS = {
    "no_loader": "no event loader is set (@streamend.event_loader)",
    "no_event": "the event loader knows no such event",
    "no_address": "the event has no host_email",
    "muted": "the host wants no notices",
    "suppressed": "mail-suppressed: Flask-Mail sends nothing under TESTING or MAIL_SUPPRESS_SEND",
}


class Attempts:
    """Makes one deliverer's attempts.

    :param channels: by name; the first one's is what is counted where no channel is known.
    :param owner: who the deliverer is, for the store.
    :ivar trouble: channels by which an attempt waited in vain, where there are others.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        settling: Settling,
        observers: Observers,
        channels: Mapping[str, Channel],
        recording: Recording,
        owner: str,
    ) -> None:
        self._settings = settings
        self._store = store
        self._settling = settling
        self._observers = observers
        self._channels = channels
        self._recording = recording
        self._owner = owner
        self.trouble: set[str] = set()

    def notice(self, told: Delivery | Member, event: Event) -> Notice:
        """Return the notice of one end."""
        sender = sender_of(current_app.config)
        return Notice(
            event=event,
            session=told.session,
            due_at=told.due / 1000,
            stopped=told.clients > 0,
            url=event_url(self._settings.frontend_url, told.event_id),
            message_id=message_id(told.event_id, told.session, sender),
            started_at=told.started / 1000,
            peak=told.peak,
            unique_viewers=told.unique_viewers,
        )

    def send(
        self, delivery: Delivery, channel: Channel, notice: Notice, members: Sequence[Member] = ()
    ) -> None:
        """Send a notice, and record how that went.

        :param members: of a digest, those that are told by it.
        :raises StoreError: where the store does not answer; what was leased comes up again.
        """
        began, name = time.monotonic(), channel.name
        try:
            with sending(delivery, name, harmless=(Skip, StoreError)):
                if isinstance(channel, Preparing):
                    channel.prepare()
                if not self._store.sending(delivery.id, self._owner, lease_of(channel), name):
                    self.lost(delivery)
                    return
                channel.send(notice)
        except StoreError:
            raise
        except Skip as skip:
            self.skip(delivery, skip.reason, name, members)
        except Exception as error:  # noqa: BLE001 - whatever a channel raises is its failure
            self.failed(delivery, name, error, _ms_since(began), members, notice)
        else:
            self.trouble.discard(name)
            result = Result(Outcome.SENT, took=_ms_since(began))
            self._settle(delivery, name, result, members, notice)
            for end in members or (delivery,):
                self._observers.now(signals.notification_sent, **end.what())

    def failed(
        self,
        delivery: Delivery,
        name: str,
        error: Exception,
        took: int = -1,
        members: Sequence[Member] = (),
        notice: Notice | None = None,
    ) -> None:
        """Record that an attempt failed; it is tried again, unless that is useless or was the last.

        :param name: the channel's; one that is not registered is not counted by name.
        :param took: milliseconds; -1: it did not come to an exchange.
        :param notice: what was sent, of which nothing private may stand in the error's text.
        """
        # Of a connection that was kept; the next try makes its own, which says how the server is.
        at_once = isinstance(error, HungUp)
        last = delivery.attempts + 1 >= self._settings.max_attempts and not at_once
        outcome = Outcome.DEAD if last or isinstance(error, PermanentError) else Outcome.FAILED
        names = () if notice is None else tuple(end.event.name for end in notice.ends)
        text = error_text(error, (*names, self._settings.frontend_url) if names else ())
        reason = reason_of(error)
        log.error(
            "Failed to send event end notification for event %s: %s",
            delivery.event_id,
            text,
            extra={
                **about(delivery, name),
                "outcome": outcome.value,
                "attempt": delivery.attempts + 1,
            },
        )
        if reason in WAITED and len(self._channels) > 1:
            self.trouble.add(name)
        self._observers.failed("channel")
        for end in members or (delivery,):
            self._observers.now(signals.notification_failed, error=text, **end.what())
        result = Result(outcome, text, reason, took, at_once)
        self._settle(delivery, name, result, members, notice)

    def skip(
        self, delivery: Delivery, reason: str, name: str = "", members: Sequence[Member] = ()
    ) -> None:
        """Record that a host is not told."""
        name = name or delivery.channel or next(iter(self._channels))
        self.say_skipped(delivery, reason, name)
        self._settle(delivery, name, Result(Outcome.SKIPPED, reason), members)

    def leave_out(self, digest: Delivery, member: Member, reason: str) -> None:
        """Say that a digest does not tell one of its members."""
        self.say_skipped(member, reason, digest.channel)
        self._recording.settled(_of(digest, member), digest.channel, Outcome.SKIPPED, reason, 0)

    def _settle(
        self,
        delivery: Delivery,
        name: str,
        result: Result,
        members: Sequence[Member],
        notice: Notice | None = None,
    ) -> None:
        label = name if name in self._channels else ""
        late = self._settling.settle(delivery, label, result, members)
        message = notice.message_id if notice is not None and members else ""
        for end in [_of(delivery, member) for member in members] or [delivery]:
            self._recording.settled(end, name, result.outcome, result.error, late, message)

    def say_skipped(self, told: Delivery | Member, reason: str, name: str) -> None:
        """Log that a host is not told, and why."""
        log.warning(
            "Event %s ended and its host is not told: %s",
            told.event_id,
            SKIPS.get(reason, reason),
            extra={**about(told, name), "reason": reason},
        )

    def postpone(self, delivery: Delivery) -> None:
        """Record that an attempt could not be made: the event loader failed."""
        result = Result(Outcome.POSTPONED, "the event loader failed")
        self._settling.settle(delivery, delivery.channel, result)

    def lost(self, delivery: Delivery) -> None:
        """Log that a delivery was given to somebody else."""
        log.warning(
            "Event %s: held, or another worker sends",
            delivery.event_id,
            extra=about(delivery, delivery.channel),
        )


def _of(digest: Delivery, member: Member) -> Delivery:
    """Return a digest's delivery as one of its members'."""
    return replace(digest, event_id=member.event_id, session=member.session)


def lease_of(channel: Channel) -> int:
    """Return the milliseconds for which a delivery stays leased while a channel sends."""
    return int(max(getattr(channel, "longest", 0.0), RECORD) * 1000) + SPARE_MS


def about(told: Delivery | Member, channel: str) -> dict[str, object]:
    """Return what a log record says of an end."""
    return {"event_id": told.event_id, "session": told.session, "channel": channel}


def _ms_since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)
