"""Fetching a page of a streaming server, within bounds of time and size."""

from __future__ import annotations

import base64
import socket
import time
from contextlib import closing, suppress
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import unquote, urlsplit, urlunsplit

from ..deadlines import within
from .call import HookError, Page

#: Seconds for each step, and for a whole page.
STEP, WHOLE = 2.0, 5.0
#: Bytes of a page at the most.
MOST = 1 << 24


def fetch(url: str) -> Page:
    """Return a page; a name and a password in its address are sent as HTTP Basic.

    It is asked for directly, and nowhere else: no proxy, no redirect.

    :raises HookError: where it can't be had, whole and in time; the address is not in its text.
    """
    until = time.monotonic() + WHOLE
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    headers = {"Connection": "close"}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    try:
        with closing(kind(parts.hostname or "", parts.port, timeout=STEP)) as connection:
            connection.connect()
            # Each read may be in time, and yet the answer never end.
            with within(max(0.0, until - time.monotonic()), partial(_cut, connection.sock)):
                target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
                connection.request("GET", target, headers=headers)
                with connection.getresponse() as page:
                    body = page.read(MOST + 1) if page.status == HTTPStatus.OK else b""
    except (OSError, HTTPException, ValueError) as error:
        raise HookError(f"{type(error).__name__}: {error}") from error
    if page.status != HTTPStatus.OK:
        raise HookError(f"HTTP {page.status}")
    # Of a page that was cut, what came is no page.
    if len(body) > MOST or time.monotonic() > until:
        raise HookError(f"the page is over {MOST} bytes, or took over {WHOLE:g} s")
    return Page(body, {name.lower(): value for name, value in page.headers.items()})


def _cut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
