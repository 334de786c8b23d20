"""Receivers of HTTP requests in a thread of the test: a real one, and hostile ones."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .servers import PATIENCE


@dataclass(frozen=True)
class Request:
    """A request as it came.

    :param headers: by their names in small letters.
    """

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """A server that keeps what is posted to it.

    :param statuses: what it answers, one after the other; then 204.
    :param host: the loopback address it listens on.
    :param port: its port; 0: a free one.
    :param context: with it, it speaks TLS.
    :param headers: what it sends with each answer.
    :ivar names: the server names that TLS clients asked for.
    :ivar answers: set: it answers; else it waits until it is.
    """

    def __init__(
        self,
        *statuses: int,
        host: str = "127.0.0.1",
        port: int = 0,
        context: ssl.SSLContext | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self.statuses = list(statuses)
        self.names: list[str | None] = []
        self.answers = threading.Event()
        self.answers.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                found = {name.lower(): value for name, value in self.headers.items()}
                receiver.requests.append(Request(self.path, found, body))
                receiver.answers.wait(PATIENCE)
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_CONNECT = do_POST

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer((host, port), Handler)
        self.port: int = self._server.server_address[1]
        if context is not None:
            context.sni_callback = lambda _, name, __: self.names.append(name)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://{host}:{self.port}/hooks"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)


Speak = Callable[[socket.socket, threading.Event], None]


class Hostile:
    """A server that does to each connection what it is told.

    :param speak: given the connection, and an event that is set when the test is over.
    :ivar over: set when it has done with a connection.
    """

    def __init__(self, speak: Speak) -> None:
        self._speak = speak
        self._stopped = threading.Event()
        self.over = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/hooks"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            sock.settimeout(PATIENCE)
            with sock, suppress(OSError):
                self._speak(sock, self._stopped)
            self.over.set()

    def stop(self) -> None:
        """Listen no more."""
        self._stopped.set()
        # Closing alone does not wake the thread that accepts.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(PATIENCE)


def wait(sock: socket.socket, stopped: threading.Event) -> None:
    """Do nothing with a connection for as long as the test lasts."""
    stopped.wait(PATIENCE)


@contextmanager
def hostile(speak: Speak) -> Iterator[Hostile]:
    """Have a hostile server for a while."""
    server = Hostile(speak)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def receiver(*statuses: int, **how: Any) -> Iterator[Receiver]:
    """Have a receiver for a while."""
    server = Receiver(*statuses, **how)
    try:
        yield server
    finally:
        server.stop()
