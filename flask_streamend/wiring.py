"""Puts an application's parts together: the only module that knows them all."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from flask import Flask

from .access import Refusals, Tokens
from .addresses import Addresses
from .alarms import RQAlarms
from .alarms_local import LocalAlarms
from .canaries import Canaries
from .contact import Contact
from .ending import Alarm, Alarms, Endings
from .errors import ConfigurationError
from .facts import Facts, of_web
from .guests import Guests
from .hooks.checks import Checks
from .introducing import KEEP_MS, Introduction
from .keeper import Keeper
from .loading import Loading
from .notices.base import Channel
from .notices.channels import registered
from .notices.deliverer import Deliverer
from .notices.recording import Recording
from .observing import Observers
from .presence import Presence
from .sealing import Sealer, keys_for
from .settings import Settings
from .standin import StandIn
from .state import AppState, living
from .store.memory import MemoryStore
from .store.redis import RedisStore
from .store.scripts import GLANCE_TIMEOUT, connect
from .sweep import Sweep
from .telemetry.end_spans import EndSpans
from .telemetry.logs import log
from .telemetry.tally import Tally
from .telemetry.tracing import correlate
from .timer import Timer
from .turns import Turns

if TYPE_CHECKING:
    from redis import Redis

    from .extension import StreamEnd
    from .store.interface import Store

#: Viewers who may wait for the viewer loader at once, however much room there is.
ASKING = 500


def build(
    app: Flask,
    settings: Settings,
    extension: StreamEnd,
    memory: MemoryStore | None = None,
    channels: Mapping[str, Channel] | None = None,
    clock: Callable[[], float] = time.time,
) -> AppState:
    """Return an application's parts; nothing is connected and nothing runs yet.

    :param memory: the store to use under ``memory://``; None: a new one.
    :param channels: what to send by, by name; None: what the extension was given, and e-mail.
    :param clock: what join tokens age by, in seconds since the epoch.
    :raises ConfigurationError: where there is no key to seal with, or a channel can't be used.
    """
    keys = _keys(app, settings)
    sealer = Sealer(keys)

    def make_channels() -> Mapping[str, Channel]:
        return registered(extension.channels, settings) if channels is None else channels

    def deliverer(store: Store, alarms: Alarms) -> Deliverer:
        return Deliverer(
            *(settings, store, alarms, loading, observers, make_channels()),
            pseudonym=lambda host: sealer.pseudonyms(host)[0],
            recording=recording,
        )

    redis: Redis | None = None
    glance_redis: Redis | None = None
    store: Store
    glance: Store
    if settings.in_memory:
        store = glance = memory or MemoryStore(by_viewers=settings.by_viewers)
    else:
        redis = connect(settings.redis_url)
        glance_redis = connect(settings.redis_url, GLANCE_TIMEOUT, connections=4)
        store = RedisStore(redis, settings.namespace, settings.by_viewers)
        glance = RedisStore(glance_redis, settings.namespace)
    tally = Tally(store)
    timer: Timer[Alarm] = Timer()
    alarms: Alarms
    local: LocalAlarms | None = None
    if redis is None:
        alarms = local = LocalAlarms(timer, lambda: state.keeper.wake(0.0))
    else:
        alarms = RQAlarms(redis, settings.namespace, settings.queue, sealer, tally)

    def holds(event_id: str) -> bool:
        return state.presence.holds(event_id)  # asked late: a fork gets a presence of its own

    def ringing(store: MemoryStore, timer: Timer[Alarm]) -> Alarms:
        here = LocalAlarms(timer, lambda: state.keeper.wake(0.0))
        sender = deliverer(store, here)
        here.connect(lambda: _deliver(app, sender))
        return here

    if settings.tracing:
        from .telemetry import otel

        otel.set_up()
    log.addFilter(correlate)

    def describe() -> Facts | None:
        return None if state.capacity is None else of_web(app, state, state.capacity)

    canaries = Canaries(store, sealer)
    loading = Loading(app, lambda: extension.event_loader_function, holds, tally, canaries)
    observers = Observers(app, tally)
    recording = Recording(app, lambda: extension.event_loader_function, tally)
    state = AppState(
        extension=extension,
        settings=settings,
        sealer=sealer,
        tokens=Tokens(keys, clock),
        redis=redis,
        glance_redis=glance_redis,
        store=store,
        glance=glance,
        tally=tally,
        observers=observers,
        refusals=Refusals(tally),
        loading=loading,
        timer=timer,
        alarms=alarms,
        recording=recording,
        deliverer=deliverer(store, alarms),
        spans=EndSpans(None if redis is None else settings.queue),
        ringing=ringing,
        canaries=canaries,
        describe=describe,
    )
    if local is not None:
        local.connect(lambda: _deliver(app, state.deliverer))
    renew(state)
    living.add(state)
    return state


def renew(state: AppState) -> None:
    """Give a process a holder, a timer and a keeper of its own."""
    state.timer.clear()
    state.addresses = Addresses(state.settings)
    state.turns = Turns(lambda: _asking_at_once(state))
    state.spans.renew()
    spans = state.spans
    keeper = state.keeper = Keeper(lambda: state.tally.error("store"))
    lease = state.settings.lease
    contact = state.contact = Contact(state.observers)
    endings = state.endings = Endings(
        state.alarms, state.timer, keeper.wake, lambda: contact.away, spans
    )
    by_viewers = state.settings.by_viewers
    guests = state.guests = Guests(
        state.store, endings, state.observers, contact, spans, keeps=not by_viewers
    )
    # What viewers alone say is no end there: it waits for the store.
    alone = state.redis is not None and by_viewers
    stand_in = StandIn(state.ringing, keeper.wake, spans) if alone else None
    presence = state.presence = Presence(
        state.store, endings, state.observers, contact, stand_in, lease, keeper.wake, spans
    )
    sweep = state.sweep = Sweep(
        state.store,
        presence,
        endings,
        state.observers,
        contact,
        stand_in,
        guests,
        state.tally,
        lease,
        spans,
    )
    introduction = state.introduction = Introduction(
        state.describe,
        lambda: presence.introductions or None,
        lambda facts: state.store.introduce(presence.holder, facts.pack(), KEEP_MS),
    )
    hooks = Checks(
        *(dict(state.settings.hook_checks), state.store, guests, state.sealer),
        state.settings.hook_ttl,
        lambda event: int(state.loading.event(event).grace(state.settings.delay) * 1000),
        lambda: state.tally.error("hook"),
        lambda: presence.epoch,
    )
    tasks = (presence.tick, endings.tick, sweep.tick, state.write_counts, introduction.tick)
    for task in (*tasks, hooks.tick):
        keeper.add(task)
    keeper.add(state.recording.tick)
    if stand_in is not None:
        keeper.add(stand_in.tick)


def _asking_at_once(state: AppState) -> int:
    """Return how many viewers may wait for the viewer loader: half of the room that is left."""
    if state.capacity is None:
        return ASKING
    return min(ASKING, (state.capacity.room - state.presence.total()) // 2)


def _keys(app: Flask, settings: Settings) -> tuple[str, ...]:
    try:
        fallbacks = app.config.get("SECRET_KEY_FALLBACKS") or ()
        return keys_for(settings.encryption_keys, app.config.get("SECRET_KEY"), fallbacks)
    except ConfigurationError:
        if not settings.in_memory:
            raise
        # Nothing that is sealed outlives the process.
        return keys_for((), secrets.token_bytes(32))


def _deliver(app: Flask, deliverer: Deliverer) -> None:
    with app.app_context():
        deliverer.deliver_due()


def _after_fork() -> None:
    """Begin anew in a child process: it has none of its parent's sockets and threads."""
    for state in list(living):
        state.tally.renew()
        state.loading.renew()
        state.recording.renew()
        state.observers.renew()
        renew(state)


os.register_at_fork(after_in_child=_after_fork)
