"""For an application's own tests: no Redis, no mail server, no waiting.

::

    from flask_streamend.testing import live

    def test_the_host_is_told(app):
        with live(app) as stage:
            with stage.viewer("friday-jam"):
                assert stage.clients("friday-jam") == 1
            stage.advance(29)
            assert stage.notices == []
            stage.advance(1)
            assert [notice.event.name for notice in stage.notices] == ["Friday jam"]

Time is moved by hand, viewers come and go by call or by a socket over the test client, and what is
sent is a list.
"""

from __future__ import annotations

import socket
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from flask import Flask
from flask.testing import FlaskClient
from simple_websocket import ConnectionClosed
from simple_websocket.ws import Base
from wsproto import ConnectionType
from wsproto.events import AcceptConnection
from wsproto.events import Request as WebSocketRequest

from .alarms_local import LocalAlarms
from .event import EventStatus, Notice
from .notices.base import Channel
from .notices.mail import MailChannel
from .state import AppState, state_of
from .store.memory import MemoryStore
from .viewers import Named
from .wiring import build

if TYPE_CHECKING:
    from flask_mail import Message
    from werkzeug.test import TestResponse

#: Where the stage's time begins, in seconds since the epoch: a round number, easy to read.
BEGIN = 1_000_000_000.0
#: Seconds time moves at once: a guest's going and the grace period after it both get their instant.
STEP = 1.0
#: Seconds to wait for what happens at once but in another thread.
PATIENCE = 5.0


class Refused(Exception):
    """A socket was refused before the handshake.

    :param response: the answer, with ``status_code`` and ``json``.
    """

    def __init__(self, response: TestResponse) -> None:
        super().__init__(f"{response.status_code}: {response.get_data(as_text=True)}")
        self.response = response


class _Recorder(MailChannel):
    """Makes each mail, so that what is wrong with it shows, and keeps it instead of sending."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.state.settings)
        self._stage = stage

    def prepare(self) -> None:
        """Connect to nothing."""

    def send(self, notice: Notice) -> None:
        message = self.message(notice)
        self._stage.note(self.name, notice)
        self._stage.mails.append(message)


class _Noted:
    """Stands for a channel of the application, and keeps what it was to send."""

    def __init__(self, name: str, stage: Stage) -> None:
        self.name = name
        self._stage = stage

    def send(self, notice: Notice) -> None:
        self._stage.note(self.name, notice)


class Stage:
    """An application whose time, viewers and mail a test has in hand.

    :ivar notices: what was sent, oldest first, by whichever channel.
    :ivar sent: the same by channel.
    :ivar mails: those by e-mail as Flask-Mail messages: ``subject``, ``body``, ``html``,
        ``recipients``.
    """

    def __init__(self, app: Flask, state: AppState) -> None:
        self.app = app
        self.state = state
        self.now = BEGIN
        self.notices: list[Notice] = []
        self.sent: defaultdict[str, list[Notice]] = defaultdict(list)
        self.mails: list[Message] = []

    def note(self, channel: str, notice: Notice) -> None:
        """Keep what a channel was to send."""
        self.notices.append(notice)
        self.sent[channel].append(notice)

    def advance(self, seconds: float) -> None:
        """Move time, and have done what falls due on the way."""
        end = self.now + seconds
        while True:
            self._act()
            if self.now >= end:
                return
            self.now = min(end, self.now + STEP)

    def _act(self) -> None:
        state = self.state
        with self.app.app_context():
            state.presence.flush()
            state.sweep.beat()
            if state.store.look(None).ready:
                state.deliverer.deliver_due()
                state.recording.finish()

    @contextmanager
    def viewer(self, event_id: str, viewer_id: str | None = None) -> Iterator[None]:
        """Have somebody watch for as long as the context lasts.

        :param viewer_id: who it is, for the event's unique viewers.
        """
        state, viewer = self.state, Named(self.state.sealer.name(viewer_id))
        with self.app.app_context():
            delay = state.loading.event(event_id).grace(state.settings.delay)
            with state.presence.viewing(event_id, viewer, delay):
                state.presence.flush()
                yield
            state.presence.flush()

    def clients(self, event_id: str) -> int:
        """Return how many watch an event."""
        return self.status(event_id).clients

    def status(self, event_id: str) -> EventStatus:
        """Return how an event stands."""
        self.state.presence.flush()
        return self.state.store.status([event_id])[0]

    @contextmanager
    def socket(
        self, event_id: str, client: FlaskClient | None = None, query: str = "", **headers: str
    ) -> Iterator[Socket]:
        """Open a viewer's socket over the test client.

        :param client: a test client, with its cookies; None: a new one.
        :param query: the query string, as ``token=…``.
        :param headers: more headers, as ``Origin="https://…"``.
        :raises Refused: where the viewer is not let in.
        """
        prefix = self.state.settings.url_prefix
        opened = Socket(client or self.app.test_client(), f"{prefix}/ws/{event_id}", query, headers)
        try:
            yield opened
        finally:
            opened.close()
            self.state.presence.flush()


class Socket(Base):  # type: ignore[misc]
    """A viewer's socket over the test client, through a pair of connected sockets."""

    def __init__(self, client: FlaskClient, path: str, query: str, headers: dict[str, str]) -> None:
        self._client, self._path, self._query, self._headers = client, path, query, headers
        self._answer: list[TestResponse] = []
        here, self._there = socket.socketpair()
        here.settimeout(PATIENCE)
        super().__init__(here, connection_type=ConnectionType.CLIENT)
        here.settimeout(None)

    def handshake(self) -> None:
        """Shake hands: the request goes by the test client, its answer comes over the sockets."""
        lines = self.ws.send(WebSocketRequest(host="localhost", target="/")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        self._request = threading.Thread(target=self._open, args=(headers,), daemon=True)
        self._request.start()
        accepted = False
        while not accepted:
            data = self.sock.recv(self.receive_bytes)
            if not data:
                self._request.join(PATIENCE)
                raise Refused(self._answer[0])
            self.ws.receive_data(data)
            accepted = any(isinstance(e, AcceptConnection) for e in self.ws.events())
        self.connected = True

    def _open(self, headers: dict[str, str]) -> None:
        try:
            self._answer.append(
                self._client.get(
                    self._path,
                    query_string=self._query,
                    headers={**headers, **self._headers},
                    environ_overrides={"werkzeug.socket": self._there},
                )
            )
        finally:
            with suppress(OSError):
                self._there.shutdown(socket.SHUT_RDWR)
                self._there.close()

    def close(self, reason: int | None = None, message: str | None = None) -> None:
        """Close, and wait until the application has let the viewer go."""
        with suppress(ConnectionClosed, OSError):
            super().close(reason, message)
        self._request.join(PATIENCE)
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(PATIENCE)


@contextmanager
def live(app: Flask) -> Iterator[Stage]:
    """Put an application on stage: a store in memory, time in hand, mail in a list.

    :raises NotRegisteredError: where the extension is not registered on it.
    """
    state = state_of(app)
    stage = Stage(app, state)
    before = vars(state).copy()
    settings = replace(state.settings, redis_url="memory://")
    store = MemoryStore(lambda: stage.now, settings.by_viewers)
    channels: dict[str, Channel] = {
        name: _Recorder(stage) if isinstance(channel, MailChannel) else _Noted(name, stage)
        for name, channel in state.deliverer.channels.items()
    }
    vars(state).update(vars(build(app, settings, state.extension, store, channels)))
    state.keeper.stop()
    if isinstance(state.alarms, LocalAlarms):
        state.alarms.connect(lambda: None)  # the test says when
    try:
        yield stage
    finally:
        vars(state).clear()
        vars(state).update(before)
