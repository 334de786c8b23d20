"""Asking a site from outside, as a browser does: by a plain page, or by a WebSocket's handshake."""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlsplit

from ..deadlines import within

#: Seconds to wait for each step of it.
TIMEOUT = 3.0
#: Seconds for a whole answer: a site may drip within each time-out.
LONGEST = 5.0
#: Bytes of an answer that are read.
MOST = 100_000
#: What may go wrong on the way; a host that can't be a name is a ``UnicodeError``.
ERRORS = (OSError, http.client.HTTPException, UnicodeError)


@dataclass(frozen=True)
class Answer:
    """What a site said.

    :param said: the answer, where it is a JSON object.
    """

    status: int
    headers: Mapping[str, str]
    said: Mapping[str, Any]


class Visit:
    """One connection to a site, open until the context ends.

    :param url: the site's address; its path goes before every page's.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._path = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
        host, port = parts.hostname or "", parts.port
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context()
            self._connection = http.client.HTTPSConnection(
                host, port, timeout=TIMEOUT, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)

    def __enter__(self) -> Visit:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def get(self, path: str) -> Answer:
        """Ask for a page.

        :raises OSError: (or what else is in ``ERRORS``) where none comes in time.
        """
        return self._ask(path, {})

    def shake_hands(self, path: str) -> Answer:
        """Ask for a WebSocket: 101 where it is open now, until the context ends.

        :raises OSError: (or what else is in ``ERRORS``) where no answer comes in time.
        """
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        return self._ask(path, {**upgrade, "Sec-WebSocket-Key": key})

    def _ask(self, path: str, headers: Mapping[str, str]) -> Answer:
        self._connection.connect()
        with within(LONGEST, partial(_cut, self._connection.sock)):
            self._connection.request("GET", self._path + path, headers=headers)
            response = self._connection.getresponse()
            body = b"" if response.status == 101 else response.read(MOST)
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            said = {}
        heads = dict(response.headers.items())
        return Answer(response.status, heads, said if isinstance(said, dict) else {})


def _cut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
