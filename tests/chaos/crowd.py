"""Viewers by the hundred in one thread, who come, leave, and come back where they were lost."""

from __future__ import annotations

import asyncio
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from itertools import chain
from typing import TypeVar

from ..servers import Site, eventually
from ..viewers import CLOSE, PING, PONG, close_code, frame
from .size import PATIENCE

T = TypeVar("T")

#: Seconds after which a viewer who was lost or refused tries again.
AGAIN = 0.1
GOING_AWAY = frame(CLOSE, struct.pack("!H", 1001))


class Viewer(asyncio.Protocol):
    """One viewer of one event.

    :param crowd: told what happens.
    :param ports: of the sites it may watch at; where one fails it, it goes to the next.
    :param returns: whether it comes back when it is lost.
    :ivar inside: True from the end of its handshake until its connection is gone.
    """

    def __init__(self, crowd: Crowd, event_id: str, ports: Sequence[int], returns: bool) -> None:
        self.event_id = event_id
        self.inside = False
        self.wanted = False
        self._crowd = crowd
        self._ports = list(ports)
        self._returns = returns
        self._transport: asyncio.Transport | None = None
        self._head = self._data = b""

    @property
    def port(self) -> int:
        """Return the port of the site it watches at, or tries now."""
        return self._ports[0]

    async def come(self) -> None:
        """Connect, as often as it takes."""
        self.wanted = True
        while self.wanted:
            self._head = self._data = b""
            loop = asyncio.get_running_loop()
            try:
                await loop.create_connection(lambda: self, "127.0.0.1", self.port)
                return
            except OSError:
                await self._next()

    async def _next(self) -> None:
        """Turn to the next site, after a moment."""
        self._ports.append(self._ports.pop(0))
        await asyncio.sleep(AGAIN)

    async def _again(self) -> None:
        await self._next()
        if self.wanted:
            await self.come()

    def leave(self) -> None:
        """Close as a browser does whose page is left; called in the crowd's loop."""
        self.wanted = False
        if self._transport is not None:
            self._crowd.leaves(self)
            self._transport.write(GOING_AWAY)
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask to be let in."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if not self.wanted:
            transport.close()
            return
        transport.write(
            f"GET /ws/{self.event_id} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Take in the handshake's answer, then pings and the close."""
        if not self.inside:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            assert self._transport is not None
            if not head.startswith(b"HTTP/1.1 101 "):
                self._crowd.refused[head.split(b"\r\n")[0].decode()] += 1
                self._transport.close()
                return
            self.inside = True
        self._data += data
        # A server's control frame: unmasked, and never over 125 bytes.
        while len(self._data) >= 2 and len(self._data) >= 2 + self._data[1]:
            opcode, size = self._data[0] & 15, self._data[1]
            payload, self._data = self._data[2 : 2 + size], self._data[2 + size :]
            self._take_in(opcode, payload)

    def _take_in(self, opcode: int, payload: bytes) -> None:
        assert self._transport is not None
        if opcode == PING:
            self._transport.write(frame(PONG, payload))
        elif opcode == CLOSE:
            self._crowd.codes[close_code(payload)] += 1
            self._transport.write(frame(CLOSE, payload))
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Come back, if it is one who does."""
        was_inside, self.inside, self._transport = self.inside, False, None
        if self.wanted:
            self.wanted = self._returns or not was_inside
            if was_inside:
                self._crowd.lost(self)
            self._crowd.spawn(self._again())


class Crowd:
    """All viewers of a test.

    :ivar left: by event, an instant shortly before which its last viewer was still there.
    :ivar codes: how often a server closed with which code.
    :ivar refused: how often a handshake got which answer.
    """

    def __init__(self) -> None:
        self.left: dict[str, float] = {}
        self.codes: Counter[int] = Counter()
        self.refused: Counter[str] = Counter()
        self.viewers: list[Viewer] = []
        self._fault: float | None = None
        self._surprises: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="crowd", daemon=True)
        self._thread.start()

    def _do(self, act: Callable[[], T]) -> T:
        """Have something done in the loop, and wait until it is."""

        async def doing() -> T:
            return act()

        return asyncio.run_coroutine_threadsafe(doing(), self._loop).result(PATIENCE)

    def spawn(self, task: Coroutine[None, None, None]) -> None:
        """Have the loop do something aside."""
        # A loop keeps no task alive by itself.
        running = self._loop.create_task(task)
        self._tasks.add(running)
        running.add_done_callback(self._tasks.discard)

    def leaves(self, viewer: Viewer) -> None:
        """Note that a viewer is about to leave."""
        self.left[viewer.event_id] = time.time()

    def lost(self, viewer: Viewer) -> None:
        """Note that a viewer's connection is gone without its doing."""
        if self._fault is None:
            self._surprises.append(viewer.event_id)
        else:
            self.left[viewer.event_id] = max(self._fault, self.left.get(viewer.event_id, 0.0))

    def expect_losses(self) -> None:
        """Note that from now on a fault may lose viewers."""
        self._fault = time.time()

    def watch(
        self, events: Iterable[str], *sites: Site, returns: bool = False, each: int = 1
    ) -> list[Viewer]:
        """Have viewers come, spread over sites, and wait until they are inside.

        :param returns: whether those who are lost come back, to the next site.
        :param each: viewers of each event; the sites take turns.
        """
        ports = [site.port for site in sites]
        came = []
        for number, event_id in enumerate(chain.from_iterable([event] * each for event in events)):
            turn = number % len(ports)
            viewer = Viewer(self, event_id, (*ports[turn:], *ports[:turn]), returns)
            came.append(viewer)
        self.viewers += came
        self.come_back(came)
        return came

    def come_back(self, viewers: Iterable[Viewer]) -> None:
        """Have viewers come, and wait until they are inside."""
        coming = list(viewers)
        self._do(lambda: self._all_come(coming))
        self.await_inside(coming)

    def _all_come(self, viewers: Iterable[Viewer]) -> None:
        for viewer in viewers:
            self.spawn(viewer.come())

    @staticmethod
    def _all_leave(viewers: Iterable[Viewer]) -> None:
        for viewer in viewers:
            viewer.leave()

    def await_inside(self, viewers: Sequence[Viewer]) -> None:
        """Wait until viewers are inside, as those are who came back."""

        def outside() -> Counter[int]:
            return Counter(viewer.port for viewer in viewers if not viewer.inside)

        eventually(
            lambda: not outside(),
            lambda: f"all are inside; outside by port: {outside()}, refused: {self.refused}",
            PATIENCE,
        )

    def await_lost(self, viewers: Sequence[Viewer]) -> None:
        """Wait until viewers have noticed that they were lost."""
        eventually(
            lambda: not any(viewer.inside for viewer in viewers),
            f"{len(viewers)} viewers are lost",
            PATIENCE,
        )

    def leave(self, viewers: Iterable[Viewer]) -> None:
        """Have viewers leave, and wait until their connections are closed."""
        leaving = list(viewers)
        self._do(lambda: self._all_leave(leaving))
        self.await_lost(leaving)

    def disperse(self) -> None:
        """Have everybody leave who is still there, none of whom was lost but by a fault."""
        self.leave(self.viewers)
        assert not self._surprises, "these viewers were cut off and no fault was under way"

    def stop(self) -> None:
        """End the thread; whoever is inside is cut off."""
        self._do(lambda: self._all_leave(self.viewers))
        self._do(lambda: [task.cancel() for task in self._tasks])
        self._do(lambda: None)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()
