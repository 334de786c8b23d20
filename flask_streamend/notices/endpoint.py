"""One POST to a URL that somebody else chose: to a checked address, within a bounded time.

No pool, no redirects, no proxies of the environment: a connection a request, to the very address
that was looked at, so that a name that leads elsewhere the next moment leads nowhere.
"""

from __future__ import annotations

import ssl
import time
from base64 import b64encode
from collections.abc import Mapping
from http.client import HTTPException
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from ..errors import ConfigurationError
from .addresses import is_public
from .bounded import Lookups, cut_after

#: Seconds for a connection to one address.
CONNECT = 5.0
#: Addresses of a name that are tried.
ADDRESSES = 4
#: The default of a scheme, and the schemes there are.
PORTS = {"https": 443, "http": 80}

#: Look-ups of its name that may hang.
HANGING = 8


class Endpoint:
    """Where requests go.

    :param url: ``https://…``, in ASCII; a name and a password in it are sent as HTTP Basic.
    :param allow_private: whether ``http://``, and addresses that are not the Internet's, will do.
    :param ca: a file of certificate authorities to trust beside the system's.
    :param timeout: seconds for a whole request, from look-up to answer.
    :raises ConfigurationError: where the URL or the file can't be used.
    """

    def __init__(
        self, url: str, *, allow_private: bool = False, ca: str | None = None, timeout: float
    ) -> None:
        if not isinstance(allow_private, bool):
            # "no", of a variable, would be a yes.
            raise ConfigurationError(f"allow_private is {allow_private!r}: expected True or False")
        parts = _split(url)
        self._host = str(parts.hostname)
        self._port = parts.port or PORTS[parts.scheme]
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._allow_private = allow_private
        self._timeout = timeout
        self._lookups = Lookups(HANGING)
        self._context = _context(ca) if parts.scheme == "https" else None
        shown = f"[{self._host}]" if ":" in self._host else self._host
        authority = shown if self._port == PORTS[parts.scheme] else f"{shown}:{self._port}"
        #: How errors call it: user, path and query may hold secrets.
        self._shown = f"{parts.scheme}://{authority}"
        self._headers = {"Host": authority}
        if parts.username is not None:
            pair = f"{parts.username}:{parts.password or ''}"
            self._headers["Authorization"] = f"Basic {b64encode(unquote_to_bytes(pair)).decode()}"
        if not allow_private:
            self._check_url(parts.scheme)

    def __str__(self) -> str:
        return self._shown

    def _check_url(self, scheme: str) -> None:
        if scheme != "https":
            raise ConfigurationError(
                f"{self} is not encrypted: expected https://, or allow_private=True"
            )
        try:
            public = is_public(self._host)
        except ValueError:
            return  # a name
        if not public:
            raise ConfigurationError(_private(str(self)))

    def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Post a body, and return the answer's status; what else it answers is not read.

        :raises TimeoutError: where there is no answer in time.
        :raises OSError: (with urllib3's errors) where nobody was reached, or not whom we asked for.
        """
        until = time.monotonic() + self._timeout
        try:
            connection = self._connect(until)
            try:
                return self._exchange(connection, body, headers, until)
            finally:
                connection.close()
        except (HTTPException, OSError, HTTPError) as error:
            if time.monotonic() >= until:
                raise TimeoutError(f"{self} did not answer within {self._timeout:g} s") from None
            if isinstance(error, HTTPException) and not isinstance(error, OSError):
                # Its text would be what was answered: anybody's, our own words among them.
                raise ConnectionError(f"{self} did not answer in HTTP") from None
            raise

    def _exchange(
        self, connection: HTTPConnection, body: bytes, headers: Mapping[str, str], until: float
    ) -> int:
        left = _left(until)
        connection.sock.settimeout(left)
        with cut_after(left, connection):
            connection.request(
                "POST",
                self._target,
                body=body,
                headers={**headers, **self._headers},
                preload_content=False,
            )
            return connection.getresponse().status

    def _connect(self, until: float) -> HTTPConnection:
        failed: Exception | None = None
        for address in self._addresses(until)[:ADDRESSES]:
            connection = self._connection(address, min(CONNECT, _left(until)))
            try:
                connection.connect()
                return connection
            except (OSError, HTTPError) as error:
                connection.close()
                failed = error
        raise failed or ConnectionError(f"{self} has no address")

    def _connection(self, address: str, timeout: float) -> HTTPConnection:
        if self._context is None:
            return HTTPConnection(address, self._port, timeout=timeout)
        return HTTPSConnection(
            address,
            self._port,
            timeout=timeout,
            server_hostname=self._host,
            ssl_context=self._context,
        )

    def _addresses(self, until: float) -> list[str]:
        addresses = self._lookups.addresses(self._host, self._port, _left(until))
        if not self._allow_private and not all(map(is_public, addresses)):
            raise ConnectionRefusedError(_private(str(self)))
        return addresses


def _left(until: float) -> float:
    """Return the seconds that are left, and never none: 0 would mean not to wait."""
    return max(0.001, until - time.monotonic())


def _private(shown: str) -> str:
    return f"{shown} has an address that is not the Internet's: allow_private=True allows it"


def _split(url: str) -> SplitResult:
    """Return a URL's parts.

    :raises ConfigurationError: where it can't be used; the text does not show it.
    """
    expected = "expected https://HOST/PATH, in ASCII and without spaces"
    if not isinstance(url, str):
        raise ConfigurationError(f"the URL is a {type(url).__name__}: {expected}")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigurationError(f"the URL has a character that it may not have: {expected}")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in PORTS and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")  # what can't be is never looked up
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(f"the URL can't be used: {expected}")
    return parts


def _context(ca: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except (OSError, TypeError) as error:
            raise ConfigurationError(f"ca is {ca!r}: expected a file of certificates") from error
    return context
