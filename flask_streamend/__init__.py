"""Tell a stream's host, once, when the last viewer has left.

A map of the package, in the order data walks it::

    websocket    the viewer's socket             inbound   what it sends, in bounds
    access       who is let in                   addresses limits by where viewers come from
    viewers      somebody who watches
    presence     who watches what, in this process, and its reports to the store
    store/       what is true across processes: Redis, one Lua script an atomic act
    ending       last one left, somebody back: timer (this process's) and alarms (RQ's)
    jobs         what RQ runs when an alarm rings
    notices/     who delivers what is due, and the channels a notice can take
    directory/   events, hosts and their wishes from an application's own tables
    telemetry/   metrics, counts, logs, traces
    web/         health, metrics and status pages, JSON, the browser's client
    commands/    the larger commands of ``flask streamend``

    extension    StreamEnd: wires all of it     state    what one application has of it
    settings     every setting                  keeper   the one thread of a process
    drain        a graceful stop under gunicorn      heap    what was loaded, not collected
    loading      the application's loaders      sealing  what is private, sealed
    condition    how all of it is, for who looks at it
    logs         a formatter for applications
    canaries     made-up events, to try it all  facts    what a process says of itself
    event        what is exchanged              words    what a host is told
    cli          what an operator does          doctor/  what is set up wrong, and the cure
    testing/     for an application's own tests     turns, aside    calls of other people's code

Importing this is light: Redis and RQ are loaded with the first ``StreamEnd``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import register_extension as _register_extension
from ._version import __version__

if TYPE_CHECKING:
    from .directory import SQLAlchemyDirectory
    from .errors import (
        ApplicationError,
        ConfigurationError,
        DirectoryError,
        EventIdError,
        NotRegisteredError,
        PermanentError,
        StoreError,
        StreamEndError,
    )
    from .event import Event, EventStatus, Notice, Preferences
    from .extension import StreamEnd
    from .notices.apprise import AppriseChannel
    from .notices.base import Channel
    from .notices.mail import MailChannel
    from .notices.webhook import WebhookChannel
    from .worker import Worker

_HOMES = {
    "ApplicationError": "errors",
    "AppriseChannel": "notices.apprise",
    "Channel": "notices.base",
    "ConfigurationError": "errors",
    "DirectoryError": "errors",
    "Event": "event",
    "EventIdError": "errors",
    "EventStatus": "event",
    "MailChannel": "notices.mail",
    "NotRegisteredError": "errors",
    "Notice": "event",
    "PermanentError": "errors",
    "Preferences": "event",
    "SQLAlchemyDirectory": "directory",
    "StoreError": "errors",
    "StreamEnd": "extension",
    "StreamEndError": "errors",
    "WebhookChannel": "notices.webhook",
    "Worker": "worker",
}

__all__ = [
    "ApplicationError",
    "AppriseChannel",
    "Channel",
    "ConfigurationError",
    "DirectoryError",
    "Event",
    "EventIdError",
    "EventStatus",
    "MailChannel",
    "NotRegisteredError",
    "Notice",
    "PermanentError",
    "Preferences",
    "SQLAlchemyDirectory",
    "StoreError",
    "StreamEnd",
    "StreamEndError",
    "WebhookChannel",
    "Worker",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Load a public name's module when the name is first used."""
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


del _register_extension
