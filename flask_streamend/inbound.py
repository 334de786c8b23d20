"""What a viewer sends: read and dropped, in bounds.

Viewers need to send nothing but pongs. A socket that sends too long a message is closed with 1009,
one that sends too many with 1008.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

from wsproto import WSConnection
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Event, TextMessage

from .settings import Settings

#: RFC 6455, 7.4.1: a viewer broke a rule, as that a ping is answered.
POLICY_VIOLATION = 1008
#: Where the request's environment says that its socket is a viewer's, and what it may send.
BOUNDS = "flask_streamend.bounds"
#: Seconds over which a viewer's messages are counted: a network that was held up delivers at once.
WINDOW = 10.0
#: Where every socket's messages go.
_NOWHERE: deque[Any] = deque(maxlen=0)


class Reader(threading.Thread):
    """simple-websocket's reader, made ready for a viewer's socket before its first byte.

    It is given to simple-websocket as ``thread_class``, and changes nothing for an application's
    own sockets.
    """

    def __init__(self, target: Callable[[], None]) -> None:
        ws: Any = target.__self__  # type: ignore[attr-defined]
        settings: Settings | None = ws.environ.get(BOUNDS)
        if settings is not None:
            ws.input_buffer = _NOWHERE
            ws.max_message_size = settings.max_message_bytes
            # By its class: functions put in place of two methods would cost each viewer more.
            ws.ws.__class__ = Inbound
            ws.ws.most = settings.max_messages_per_second
            # Over, and worth twenty objects for as long as the viewer stays.
            ws.ws.handshake = None
        # The threading module looks at every thread that is no daemon whenever one of them begins
        # or ends; nobody need wait for a viewer's, which ends with its socket.
        super().__init__(target=target, daemon=None if settings is None else True)


class Inbound(WSConnection):
    """A viewer's protocol once hands are shaken: fair to all, and with bounds on what is sent.

    Under gevent a socket that always has something to read never yields: one viewer's flood would
    stop the whole worker, and keep away even the code that bounds what is read.

    :ivar most: messages a second over ``WINDOW``, pings included, and parts of one as they arrive;
        None: any number.
    :ivar flooded: whether there were more.
    """

    connection: Connection
    most: int | None
    flooded = False
    _received = 0
    _until = 0.0

    def receive_data(self, data: bytes | None) -> None:
        """Yield, then take in what was read."""
        time.sleep(0)
        self.connection.receive_data(data)

    def events(self) -> Generator[Event, None, None]:
        """Yield what was received, texts as bytes: else their characters would be counted."""
        for event in self.connection.events():
            if self._too_many():
                # As if the viewer had asked to be closed so: who reads answers with the same.
                self.flooded = True
                yield CloseConnection(POLICY_VIOLATION, "too many messages")
                return
            if isinstance(event, TextMessage):
                data = event.data.encode()
                yield BytesMessage(data, event.frame_finished, event.message_finished)
            else:
                yield event

    def _too_many(self) -> bool:
        now = time.monotonic()
        if now >= self._until:
            self._until, self._received = now + WINDOW, 0
        self._received += 1
        return self.most is not None and self._received > self.most * WINDOW
