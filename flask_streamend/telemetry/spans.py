"""Every span's name, kind and attributes: the one definition of them.

The documentation's table is made of it, and the tests hold what is exported against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EVENT_ID = "streamend.event_id"
SESSION = "streamend.session"
CHANNEL = "streamend.channel"
ATTEMPT = "streamend.attempt"
OUTCOME = "streamend.outcome"
REASON = "streamend.reason"

# OpenTelemetry's semantic conventions, of which the messaging ones are still in development: by
# name, so that no release of theirs renames what is stored somewhere.
ERROR_TYPE = "error.type"
SYSTEM = "messaging.system"
OPERATION = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
DESTINATION = "messaging.destination.name"
MESSAGE_ID = "messaging.message.id"

Kind = Literal["producer", "consumer", "client"]


@dataclass(frozen=True)
class SpanType:
    """One kind of span.

    :param kind: OpenTelemetry's kind of span.
    :param text: from when to when, and where, in words.
    """

    name: str
    kind: Kind
    text: str
    attributes: tuple[str, ...]


END = SpanType(
    "streamend.end",
    "producer",
    "From the last leave to the instant the end was due, in the web process; linked to the span of"
    " the last viewer's request.",
    (EVENT_ID, SESSION, SYSTEM, OPERATION, OPERATION_TYPE, DESTINATION),
)
NOTIFY = SpanType(
    "streamend.notify",
    "consumer",
    "One try to tell the host, in the job; a further try is linked to the one before.",
    (
        *(EVENT_ID, SESSION, CHANNEL, ATTEMPT, OUTCOME, REASON),
        *(SYSTEM, OPERATION, OPERATION_TYPE, DESTINATION, MESSAGE_ID),
    ),
)
SEND = SpanType(
    "streamend.send",
    "client",
    "The channel's exchange, as with the mail server.",
    (EVENT_ID, SESSION, CHANNEL, ATTEMPT, ERROR_TYPE),
)

ALL = (END, NOTIFY, SEND)
