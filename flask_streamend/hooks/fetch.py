"""Fetching a page of a streaming server, within bounds of time and size."""

from __future__ import annotations

import base64
import time
from http.client import HTTPException
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from .call import HookError, Page

#: Seconds for each step, and for a whole page.
STEP, WHOLE = 2.0, 5.0
#: Bytes of a page at the most.
MOST = 1 << 24


class _Stay(HTTPRedirectHandler):
    """Follows nowhere: a name and a password are for the server that is set."""

    def redirect_request(self, *_: object) -> None:
        """Make no other request; the answer is an error then."""


#: The server is near: no proxy is asked.
_opener = build_opener(ProxyHandler({}), _Stay)


def fetch(url: str) -> Page:
    """Return a page; a name and a password in its address are sent as HTTP Basic.

    :raises HookError: where it can't be had, whole and in time; the address is not in its text.
    """
    until = time.monotonic() + WHOLE
    parts = urlsplit(url)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    request = Request(bare)  # noqa: S310 - the setting's check allows http and https only
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
    body = bytearray()
    try:
        with _opener.open(request, timeout=STEP) as page:
            while some := page.read1(1 << 16):
                body += some
                if len(body) > MOST or time.monotonic() > until:
                    raise HookError(f"the page is over {MOST} bytes, or took over {WHOLE:g} s")
            headers = {name.lower(): value for name, value in page.headers.items()}
    except (OSError, HTTPException, ValueError) as error:
        raise HookError(f"{type(error).__name__}: {error}") from error
    return Page(bytes(body), headers)
