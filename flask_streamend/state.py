"""What one application has of the extension: ``app.extensions["streamend"]``."""

from __future__ import annotations

import threading
import weakref
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import NotRegisteredError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from .access import Refusals, Tokens
    from .addresses import Addresses
    from .canaries import Canaries
    from .capacity import Capacity
    from .contact import Contact
    from .ending import Alarm, Alarms, Endings
    from .extension import StreamEnd
    from .facts import Facts
    from .guests import Guests
    from .introducing import Introduction
    from .keeper import Keeper
    from .loading import Loading
    from .notices.deliverer import Deliverer
    from .notices.recording import Recording
    from .observing import Observers
    from .presence import Presence
    from .sealing import Sealer
    from .settings import Settings
    from .standin import Ringing
    from .store.interface import Store
    from .sweep import Sweep
    from .telemetry.end_spans import EndSpans
    from .telemetry.tally import Tally
    from .timer import Timer
    from .turns import Turns

KEY = "streamend"


@dataclass(eq=False)
class AppState:
    """One application's parts, as :mod:`flask_streamend.wiring` puts them together.

    :param redis: None under ``memory://``.
    :param glance_redis: the same with short time-outs, for pages.
    :param store: for threads that can wait.
    :param glance: the same store with short time-outs, for pages.
    :param spans: traces ends, in the process that saw the last viewer go.
    :param ringing: makes what delivers from a store in memory, for when Redis is away.
    :param describe: says what this web process is; None before its first request.
    :ivar capacity: what its server can hold; None before its first request.
    """

    extension: StreamEnd
    settings: Settings
    sealer: Sealer
    tokens: Tokens
    redis: Redis | None
    glance_redis: Redis | None
    store: Store
    glance: Store
    tally: Tally
    observers: Observers
    refusals: Refusals
    loading: Loading
    timer: Timer[Alarm]
    alarms: Alarms
    recording: Recording
    deliverer: Deliverer
    spans: EndSpans
    ringing: Ringing
    canaries: Canaries
    describe: Callable[[], Facts | None]
    draining: bool = False
    admitting: threading.Lock = field(default_factory=threading.Lock)
    #: Codes of problems that were seen once and stay: of the server, of the settings.
    problems: dict[str, float] = field(default_factory=dict)
    capacity: Capacity | None = None
    # A process's own; made anew in a child process.
    addresses: Addresses = field(init=False)
    keeper: Keeper = field(init=False)
    endings: Endings = field(init=False)
    contact: Contact = field(init=False)
    guests: Guests = field(init=False)
    presence: Presence = field(init=False)
    sweep: Sweep = field(init=False)
    turns: Turns = field(init=False)
    introduction: Introduction = field(init=False)

    def flush(self) -> None:
        """Write this process's reports and counts to the store.

        :raises StoreError: where it does not answer.
        """
        self.presence.flush()
        self.tally.flush()

    def write_counts(self) -> None:
        """Write the counts, if the store answers; what can't be written now is kept."""
        with suppress(StoreError):
            self.tally.flush()


#: The states of this process's applications, for what happens to the process: a fork, a stop.
living: weakref.WeakSet[AppState] = weakref.WeakSet()


def state_of(app: Any) -> AppState:
    """Return an application's state.

    :raises NotRegisteredError: where the extension is not registered on it, with the cure.
    """
    try:
        state: AppState = app.extensions[KEY]
    except KeyError:
        raise NotRegisteredError(
            f"StreamEnd is not registered on the application {app.name!r}: call"
            " app.register_extension(StreamEnd()) or StreamEnd(app) where it is made"
        ) from None
    return state
