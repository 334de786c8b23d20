"""A way to Redis that can be cut, so that who has no other is partitioned from it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from ..servers import free_port
from .size import PATIENCE

#: Bytes that are carried at a time.
CHUNK = 65536


class Relay:
    """Carries bytes between clients and a server.

    While it is cut nothing arrives on either side, and no connection breaks: what was sent is on
    its way, and arrives late, as it does where a network loses packets for a while.

    :param port: the server's.
    :ivar url: of the server, by this way.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._open = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._carry, "127.0.0.1", self.port), self._loop
        ).result(PATIENCE)
        self.heal()

    def cut(self) -> None:
        """Have nothing arrive from now on."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def heal(self) -> None:
        """Have everything arrive: what is on its way, too."""
        self._loop.call_soon_threadsafe(self._open.set)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection's bytes until it is broken on both sides."""
        with suppress(OSError, asyncio.CancelledError):
            async with _closing(writer):
                await self._open.wait()
                there, back = await asyncio.open_connection("127.0.0.1", self._to)
                async with _closing(back):
                    await asyncio.gather(self._pump(reader, back), self._pump(there, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await self._open.wait()
            writer.write(data)
            await writer.drain()
        await self._open.wait()
        writer.close()

    def stop(self) -> None:
        """Break every connection."""

        async def stopping() -> None:
            self._server.close()
            carrying = asyncio.all_tasks() - {asyncio.current_task()}
            for task in carrying:
                task.cancel()
            await asyncio.gather(*carrying, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stopping(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()


@asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()
