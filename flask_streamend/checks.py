"""Checks of settings: each returns the value to use, or raises.

A check's docstring says what it expects: it completes the sentence "expected …" of an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

Check = Callable[[Any], Any]


def number(low: float, high: float, unit: str = "") -> Check:
    def check(value: Any) -> float:
        number = float(value) if not isinstance(value, bool) else float("nan")
        if not low <= number <= high:
            raise ValueError
        return number

    check.__doc__ = f"a number{unit and ' of ' + unit} from {low:,g} to {high:,g}"
    return check


def whole(low: int, high: int, unit: str = "", none: bool = False) -> Check:
    def check(value: Any) -> int | None:
        if value is None and none:
            return None
        number = int(value) if not isinstance(value, (bool, float)) else -1
        if not low <= number <= high:
            raise ValueError
        return number

    check.__doc__ = f"a whole number{unit and ' of ' + unit} from {low:,} to {high:,}"
    if none:
        check.__doc__ += ", or None"
    return check


def boolean(value: Any) -> bool:
    """True or False"""
    known = {"true": True, "1": True, "yes": True, "on": True}
    known |= {"false": False, "0": False, "no": False, "off": False}
    if isinstance(value, bool):
        return value
    return known[str(value).strip().lower()]


def namespace(value: Any) -> str:
    """1 to 64 characters of A-Z a-z 0-9 . _ : -"""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", value):
        raise ValueError
    return value


def name(value: Any) -> str:
    """a name that is not empty"""
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value


def http_url(value: Any) -> str:
    """an http:// or https:// address without query"""
    parts = urlsplit(str(value))
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError
    _ = parts.port  # one that is no port raises
    return str(value).rstrip("/")


def redis_url(value: Any) -> str:
    """redis://, rediss://, unix:// or memory:// with what follows"""
    scheme = urlsplit(str(value)).scheme
    if scheme not in ("redis", "rediss", "unix", "memory"):
        raise ValueError
    if scheme != "memory":
        from redis.connection import parse_url

        parse_url(str(value))
    return str(value)


def path(value: Any) -> str | None:
    """a path that begins with /, or None"""
    if value is None:
        return None
    if not isinstance(value, str) or not value.startswith("/"):
        raise ValueError
    return value


def prefix(value: Any) -> str:
    """a path that begins with / and does not end with it, or None"""
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or not value.startswith("/") or value.endswith("/"):
        raise ValueError
    return value


def token(value: Any) -> str | None:
    """letters, digits and - . _ ~ + /, then = if need be (RFC 6750's b64token); or None"""
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", value):
        raise ValueError
    return value


def rate(value: Any) -> str | None:
    """a rate such as 10/second or 5/second;100/minute, with the extra `limits`; or None"""
    if value is None:
        return None
    try:
        from limits import parse_many
    except ImportError as error:
        raise ValueError("pip install 'flask-streamend[limits]'") from error
    if not isinstance(value, str) or not all(item.amount for item in parse_many(value)):
        raise ValueError
    return value


def function(value: Any) -> Any:
    """a callable, or None"""
    if value is not None and not callable(value):
        raise ValueError
    return value


def addresses(value: Any) -> tuple[tuple[str, str], ...]:
    """a dict of http:// or https:// addresses by a server's kind, or kind/name"""
    if not isinstance(value, Mapping):
        raise TypeError
    for key, address in value.items():
        if not re.fullmatch(r"[a-z0-9-]+(/[A-Za-z0-9._-]{1,64})?", key):
            raise ValueError
        http_url(address)
    return tuple((key, str(url).rstrip("/")) for key, url in value.items())


def one_of(*words: str) -> Check:
    def check(value: Any) -> str:
        if value not in words:
            raise ValueError
        return str(value)

    check.__doc__ = "one of " + ", ".join(map(repr, words))
    return check


def origins(value: Any) -> tuple[str, ...]:
    """'*', or a list of origins such as https://live.example.org"""
    items = [value] if isinstance(value, str) else list(value or ())
    if not all(isinstance(item, str) and item for item in items):
        raise ValueError
    if items != ["*"]:
        for item in items:
            http_url(item)
    return tuple(items)


def fernet_keys(value: Any) -> tuple[str, ...]:
    """a Fernet key (32 bytes as URL-safe base64), or a list of them, newest first"""
    from cryptography.fernet import Fernet

    items = [value] if isinstance(value, (str, bytes)) else list(value or ())
    keys = tuple(key.decode() if isinstance(key, bytes) else key for key in items)
    for key in keys:
        Fernet(key)
    return keys
