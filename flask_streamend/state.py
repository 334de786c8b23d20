"""What one application has of the extension: ``app.extensions["streamend"]``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import NotRegisteredError, StoreError

if TYPE_CHECKING:
    from redis import Redis

    from .alarms import RQAlarms
    from .extension import StreamEnd
    from .keeper import Keeper
    from .loading import Loading
    from .notices.deliverer import Deliverer
    from .presence import Presence
    from .sealing import Sealer
    from .settings import Settings
    from .store.base import Store
    from .telemetry.tally import Tally

KEY = "streamend"


@dataclass
class AppState:
    """One application's parts, wired by :class:`~flask_streamend.extension.StreamEnd`.

    :param store: for threads that can wait.
    :param glance: the same store with short time-outs, for pages.
    """

    extension: StreamEnd
    settings: Settings
    sealer: Sealer
    redis: Redis
    store: Store
    glance: Store
    tally: Tally
    loading: Loading
    alarms: RQAlarms
    deliverer: Deliverer
    presence: Presence = field(init=False)
    keeper: Keeper = field(init=False)

    def flush(self) -> None:
        """Write this process's reports and counts to the store.

        :raises StoreError: where it does not answer.
        """
        self.presence.flush()
        self.tally.flush()

    def tick_tally(self) -> None:
        """Write the counts, if the store answers; what can't be written now is kept."""
        try:
            self.tally.flush()
        except StoreError:
            return


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
