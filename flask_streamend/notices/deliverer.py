"""Whoever hears an alarm: claims what is due, and tells each host by the channels it chose."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence

from flask import current_app

from .. import signals
from ..ending import Alarm, Alarms
from ..errors import PermanentError, StoreError
from ..event import Event, Preferences
from ..loading import Loading
from ..observing import Observers
from ..settings import Settings
from ..store.deliveries import Delivery
from ..store.interface import Store
from ..telemetry.logs import log, mask_address
from ..telemetry.tracing import by, notifying, settled, traced
from .attempts import Attempts, about
from .base import Channel, Checking, Connected, Skip
from .digest import ask_for, notice_of
from .leased import BATCH, TURN_MS, Leased
from .mail import message_id, sender_of
from .recording import Recording
from .settling import Settling

#: Seconds after which a deliverer hands over to the next alarm: well below the job's time-out.
BUDGET = 120.0


class Deliverer:
    """Claims and delivers for one application, within its context.

    :param channels: by name; the first one's is what is counted where no channel is known.
    :param pseudonym: gives a host a name that tells nobody who that is.
    :param recording: has what became of notices recorded.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        alarms: Alarms,
        loading: Loading,
        observers: Observers,
        channels: Mapping[str, Channel],
        pseudonym: Callable[[str], str],
        recording: Recording,
    ) -> None:
        self._store = store
        self._alarms = alarms
        self._loading = loading
        self._observers = observers
        self._pseudonym = pseudonym
        self._owner = secrets.token_hex(8)
        self.channels = channels
        settling = Settling(settings, store, alarms, self._owner)
        self._attempts = Attempts(
            *(settings, store, settling, observers, channels, recording, self._owner)
        )
        self.leased = Leased(store, self._owner)

    def keep_connection(self) -> None:
        """Keep connections between two deliveries: in a worker that does not fork."""
        for channel in self.channels.values():
            if isinstance(channel, Connected):
                channel.keep()

    def deliver_due(self) -> None:
        """Tell every end that is due, and try again what is to be tried again.

        :raises StoreError: where the store does not answer; what was leased comes up again.
        """
        until = time.monotonic() + BUDGET
        try:
            with self.leased.kept():
                while time.monotonic() < until:
                    ended = self._store.claim(BATCH)
                    self._alarms.disarm([end.session for end in ended])
                    for end in ended:
                        self._observers.now(signals.event_ended, **end.what())
                    if not self._tell_taken():
                        break
        finally:
            self._release()

    def _tell_taken(self) -> bool:
        """Tell what can be taken up; return whether there may be more."""
        delivery = None
        for delivery in self.leased.take():
            self._deliver(delivery)
        if delivery is None:
            # One, and then what fell due meanwhile: that is not to wait for all of them.
            delivery = self.leased.put_off_longest()
            if delivery is not None:
                self._deliver(delivery, patient=False)
        return delivery is not None

    def _release(self) -> None:
        for channel in self.channels.values():
            if isinstance(channel, Connected):
                try:
                    channel.release()
                except Exception:  # noqa: BLE001 - what was sent is sent
                    log.exception("The channel %s could not be released", channel.name)

    def _deliver(self, delivery: Delivery, patient: bool = True) -> None:
        """Tell a host, or a digest's.

        :param patient: put it off where its channel is in trouble.
        """
        if patient and delivery.channel in self._attempts.trouble:
            self.leased.put_off(delivery)
            return
        with notifying(delivery, delivery.channel or next(iter(self.channels))):
            try:
                if delivery.digest:
                    self._tell_digest(delivery)
                else:
                    self._tell(delivery, patient)
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001 - else it kept all that is due waiting
                self._attempts.failed(delivery, delivery.channel, error)

    def _tell(self, delivery: Delivery, patient: bool) -> None:
        found, attempts = self._loading.ask(delivery.event_id), self._attempts
        if found.failed:
            attempts.postpone(delivery)
            return
        event = found.event
        if event is None:
            attempts.skip(delivery, "no_event" if found.asked else "no_loader")
            return
        wishes = event.preferences or Preferences()
        if wishes.muted or not (delivery.channel or wishes.channels):
            attempts.skip(delivery, "muted")
            return
        name = delivery.channel or self._chosen(delivery, wishes.channels)
        channel = self.channels.get(name)
        by(name)
        if not name:
            attempts.lost(delivery)
        elif channel is None:
            attempts.failed(delivery, name, self._unknown(name))
        elif patient and name in attempts.trouble:
            settled("deferred", "")
            self.leased.put_off(delivery)
        else:
            self._tell_by(channel, delivery, event, wishes)

    def _chosen(self, delivery: Delivery, channels: Sequence[str]) -> str:
        """Return the channel a delivery is to go by, and see that there is one for each other.

        Empty, where the lease was lost.
        """
        if len(channels) == 1 and channels[0] in self.channels:
            return channels[0]
        return self._store.split(delivery.id, self._owner, channels, traced().context)

    def _unknown(self, name: str) -> PermanentError:
        return PermanentError(
            f"no channel is named {name!r}: expected one of {', '.join(self.channels)};"
            " others are registered with StreamEnd(channels=[…])",
            "other",
        )

    def _tell_by(
        self, channel: Channel, delivery: Delivery, event: Event, wishes: Preferences
    ) -> None:
        notice = self._attempts.notice(delivery, event)
        try:
            if isinstance(channel, Checking):
                channel.check(notice)
        except Skip as skip:
            self._attempts.skip(delivery, skip.reason, channel.name)
            return
        host = mask_address(event.host_email or "")
        log.info(
            "Event end notification scheduled for host %s for event %s",
            host,
            delivery.event_id,
            extra={**about(delivery, channel.name), "host": host},
        )
        # Those that are nobody's have no host in common.
        if wishes.digest is not None and delivery.fresh and event.host_id:
            self._wait(delivery, channel, event, wishes.digest)
        else:
            self._attempts.send(delivery, channel, notice)

    def _wait(self, delivery: Delivery, channel: Channel, event: Event, seconds: float) -> None:
        """Have a delivery wait for its host's digest, and set the alarm of a new one."""
        waits = self._store.group(
            *(delivery.id, self._owner, self._pseudonym(event.host_id)),
            *(channel.name, int(seconds * 1000)),
        )
        if waits is None:
            return
        settled("pending", "digest")
        if delivery.again:
            self._alarms.disarm([delivery.id])
        if waits.made:
            trace = delivery.trace or traced().context
            self._alarms.arm([Alarm(delivery.event_id, waits.id, waits.due, waits.left, trace)])

    def _tell_digest(self, delivery: Delivery) -> None:
        name, attempts = delivery.channel, self._attempts
        members = self._store.gather(delivery.id, self._owner, TURN_MS)
        channel = self.channels.get(name)
        if members is None:
            attempts.lost(delivery)
            return
        if channel is None:
            attempts.failed(delivery, name, self._unknown(name), members=members)
            return
        found = ask_for(members, self._loading.ask)
        if found.failed:
            attempts.postpone(delivery)
            return
        if found.out:
            for member in members:
                if member.id in found.out:
                    attempts.leave_out(delivery, member, found.out[member.id])
            members = self._store.gather(delivery.id, self._owner, TURN_MS, found.out)
        if members is None:
            attempts.lost(delivery)
            return
        told = [member for member in members if member.id in found.events]
        if not told:
            reason = next((member.out for member in members), "no_event")
            attempts.skip(delivery, reason)
            return
        notices = [attempts.notice(member, found.events[member.id]) for member in told]
        # Of those left out too: it is the same at every attempt.
        ids = "\n".join(sorted(member.id for member in members))
        whole = message_id("digest", ids, sender_of(current_app.config))
        attempts.send(delivery, channel, notice_of(notices, whole), told)
