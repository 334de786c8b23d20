"""The stage: an application whose time, viewers and notices a test has in hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from flask import Flask
from flask.testing import FlaskClient

from ..alarms_local import LocalAlarms
from ..event import EventStatus, Notice
from ..state import AppState, state_of
from ..store.base import Record
from ..store.bounds import KEEP_COUNT
from ..store.memory import MemoryStore
from ..viewers import Named
from ..wiring import build
from .channels import Recorder
from .sockets import Socket

if TYPE_CHECKING:
    from flask_mail import Message

#: Where the stage's time begins, in seconds since the epoch: a round number, easy to read.
BEGIN = 1_000_000_000.0
#: Seconds time moves at once: a guest's going and the grace period after it both get their instant.
STEP = 1.0


class Stage:
    """An application whose time, viewers and mail a test has in hand.

    :ivar now: the time, in seconds since the epoch.
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
        self.channels = {
            name: Recorder(channel, self._keep)
            for name, channel in state.deliverer.channels.items()
        }

    def _keep(self, channel: str, notice: Notice, mail: Message | None) -> None:
        self.notices.append(notice)
        self.sent[channel].append(notice)
        if mail is not None:
            self.mails.append(mail)

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
        """Have somebody watch for as long as the context lasts, whom nobody asks who it is.

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

    def deliveries(self, event_id: str | None = None) -> list[Record]:
        """Return what the ledger says of notices, the first that was due first.

        Each has ``channel``, ``attempts``, ``error`` (the last one, or why it was skipped), and
        ``state``: ``sent``, ``skipped``, ``retrying``, ``dead``, ``digested`` or ``pending``.

        :param event_id: of which event; None: of all.
        """
        found = self.state.store.records(2 * KEEP_COUNT)
        rows = [row for row in found if event_id in (None, row.event_id)]
        return sorted(rows, key=lambda row: (row.due_at, row.id))

    @contextmanager
    def failing(self, channel: str, error: Exception | None = None) -> Iterator[None]:
        """Have each attempt by a channel fail for as long as the context lasts.

        :param channel: its name.
        :param error: what it raises; None: a ``ConnectionError``. After a ``PermanentError`` there
            is no other attempt.
        :raises LookupError: where the application has no such channel.
        """
        recorder = self.channels.get(channel)
        if recorder is None:
            names = ", ".join(self.channels)
            raise LookupError(f"no channel is named {channel!r}: expected one of {names}")
        before, recorder.fails = recorder.fails, error or ConnectionError(f"{channel} is away")
        try:
            yield
        finally:
            recorder.fails = before

    def token(self, event_id: str, viewer_id: str, expires: float = 86_400) -> str:
        """Return a join token, for a socket's ``query=f"token={…}"``; it ages in the stage's time.

        :param expires: seconds for which it is good.
        """
        return self.state.tokens.make(event_id, viewer_id, expires)

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
            self.state.presence.flush()
            yield opened
        finally:
            opened.close()
            self.state.presence.flush()


@contextmanager
def live(app: Flask) -> Iterator[Stage]:
    """Put an application on stage: a store in memory, time in hand, notices in a list.

    :raises NotRegisteredError: where the extension is not registered on it.
    """
    state = state_of(app)
    stage = Stage(app, state)
    before = vars(state).copy()
    settings = replace(state.settings, redis_url="memory://")

    def clock() -> float:
        return stage.now

    store = MemoryStore(clock, settings.by_viewers)
    parts = build(app, settings, state.extension, store, stage.channels, clock)
    vars(state).update(vars(parts))
    state.keeper.stop()
    if isinstance(state.alarms, LocalAlarms):
        state.alarms.connect(lambda: None)  # the test says when
    try:
        yield stage
    finally:
        vars(state).clear()
        vars(state).update(before)
