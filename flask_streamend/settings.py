"""Every setting: its key, default, unit and check. Read once, at ``init_app``.

:class:`Settings` is the one definition: the parser, the errors and the documentation's table are
made from its fields.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from .errors import ConfigurationError
from .event import MAX_DELAY

log = logging.getLogger("flask_streamend")

Check = Callable[[Any], Any]


def _number(low: float, high: float, unit: str = "") -> Check:
    def check(value: Any) -> float:
        number = float(value) if not isinstance(value, bool) else float("nan")
        if not low <= number <= high:
            raise ValueError
        return number

    check.__doc__ = f"a number{unit and ' of ' + unit} from {low:,g} to {high:,g}"
    return check


def _whole(low: int, high: int, unit: str = "", none: bool = False) -> Check:
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


def _boolean(value: Any) -> bool:
    """True or False"""
    known = {"true": True, "1": True, "yes": True, "on": True}
    known |= {"false": False, "0": False, "no": False, "off": False}
    if isinstance(value, bool):
        return value
    return known[str(value).strip().lower()]


def _namespace(value: Any) -> str:
    """1 to 64 characters of A-Z a-z 0-9 . _ : -"""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", value):
        raise ValueError
    return value


def _name(value: Any) -> str:
    """a name that is not empty"""
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value


def _http_url(value: Any) -> str:
    """an http:// or https:// address"""
    parts = urlsplit(str(value))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError
    return str(value).rstrip("/")


def _redis_url(value: Any) -> str:
    """redis://, rediss://, unix:// or memory:// with what follows"""
    if urlsplit(str(value)).scheme not in ("redis", "rediss", "unix", "memory"):
        raise ValueError
    return str(value)


def _path(value: Any) -> str | None:
    """a path that begins with /, or None"""
    if value is None:
        return None
    if not isinstance(value, str) or not value.startswith("/"):
        raise ValueError
    return value


def _prefix(value: Any) -> str:
    """a path that begins with / and does not end with it, or None"""
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or not value.startswith("/") or value.endswith("/"):
        raise ValueError
    return value


def _keys(value: Any) -> tuple[str, ...]:
    """a Fernet key (32 bytes as URL-safe base64), or a list of them, newest first"""
    from cryptography.fernet import Fernet

    items = [value] if isinstance(value, (str, bytes)) else list(value or ())
    keys = tuple(key.decode() if isinstance(key, bytes) else key for key in items)
    for key in keys:
        Fernet(key)
    return keys


#: Keys whose values never appear in an error or in a table.
SECRETS = frozenset({"STREAMEND_ENCRYPTION_KEYS", "STREAMEND_REDIS_URL", "REDIS_URL"})


def _setting(key: str, default: Any, check: Check, text: str, env: bool = False) -> Any:
    """Declare a setting; ``env``: an absent key falls back to the environment."""
    return field(default=default, metadata={"key": key, "check": check, "text": text, "env": env})


@dataclass(frozen=True)
class Settings:
    """The settings of one application, checked. See each field's ``metadata`` for its key."""

    delay: float = _setting(
        "STREAMEND_DELAY", 30.0, _number(0, MAX_DELAY, "seconds"),
        "Grace period after the last viewer has left, in seconds.",
    )  # fmt: skip
    redis_url: str = _setting(
        "STREAMEND_REDIS_URL", "redis://localhost:6379", _redis_url,
        "The store. Else `REDIS_URL`, else `REDIS_HOST` and `REDIS_PORT`, each also from the"
        " environment.",
    )  # fmt: skip
    namespace: str = _setting(
        "STREAMEND_NAMESPACE", "streamend", _namespace,
        "Prefix of every key. Applications that share a Redis need different ones.",
    )  # fmt: skip
    frontend_url: str = _setting(
        "FRONTEND_URL", "http://localhost:8081", _http_url,
        "Where the notice's button leads: `{FRONTEND_URL}/events/{event_id}`.", env=True,
    )  # fmt: skip
    websocket_port: int = _setting(
        "WEBSOCKET_PORT", 8081, _whole(1, 65535), "The port the example serves on.", env=True
    )  # fmt: skip
    queue: str = _setting(
        "STREAMEND_QUEUE", "default", _name, "The RQ queue; a plain `rq worker` reads `default`."
    )  # fmt: skip
    ping_interval: float = _setting(
        "STREAMEND_PING_INTERVAL", 25.0, _number(0.1, 3600, "seconds"),
        "A silent viewer is gone within two of these, in seconds.",
    )  # fmt: skip
    lease: float = _setting(
        "STREAMEND_LEASE", 15.0, _number(1, 3600, "seconds"),
        "A dead process's viewers are gone after this, in seconds.",
    )  # fmt: skip
    max_attempts: int = _setting(
        "STREAMEND_MAX_ATTEMPTS", 60, _whole(1, 10_000),
        "Attempts at a notice before it is a dead letter.",
    )  # fmt: skip
    retry_backoff: float = _setting(
        "STREAMEND_RETRY_BACKOFF", 5.0, _number(0.01, 1800, "seconds"),
        "The first wait after a failed attempt, in seconds; it doubles to 1,800 s, with jitter.",
    )  # fmt: skip
    encryption_keys: tuple[str, ...] = _setting(
        "STREAMEND_ENCRYPTION_KEYS", (), _keys,
        "Fernet keys, newest first; derived from `SECRET_KEY` where absent.",
    )  # fmt: skip
    mail_verify: bool = _setting(
        "STREAMEND_MAIL_VERIFY", True, _boolean,
        "Check the mail server's certificate (Flask-Mail alone checks none).",
    )  # fmt: skip
    mail_ca: str | None = _setting(
        "STREAMEND_MAIL_CA", None, lambda value: value if value is None else _name(value),
        "A file of certificate authorities to add.",
    )  # fmt: skip
    mail_timeout: float = _setting(
        "STREAMEND_MAIL_TIMEOUT", 10.0, _number(0.1, 300, "seconds"),
        "Bound on each step of an SMTP exchange, in seconds.",
    )  # fmt: skip
    max_message_bytes: int = _setting(
        "STREAMEND_MAX_MESSAGE_BYTES", 4096, _whole(1, 1 << 24, "bytes"),
        "A larger message from a viewer closes its socket with 1009, in bytes.",
    )  # fmt: skip
    metrics_max_events: int = _setting(
        "STREAMEND_METRICS_MAX_EVENTS", 1000, _whole(0, 1_000_000),
        "Events with a series of their own; the rest are summed as `_other`; 0 shows no ids.",
    )  # fmt: skip
    health_path: str | None = _setting(
        "STREAMEND_HEALTH_PATH", "/health", _path, "Path of the health page; None: off."
    )
    metrics_path: str | None = _setting(
        "STREAMEND_METRICS_PATH", "/metrics", _path, "Path of the metrics page; None: off."
    )
    url_prefix: str = _setting(
        "STREAMEND_URL_PREFIX", "", _prefix, "Path put before the extension's routes."
    )

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], environ: Mapping[str, str] | None = None
    ) -> Settings:
        """Read and check the settings of an application.

        :param config: the application's ``config``.
        :param environ: the environment; ``None``: the process's.
        :raises ConfigurationError: naming key, value and what was expected.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for f in fields(cls):
            key = f.metadata["key"]
            if key in config:
                values[f.name] = _checked(key, config[key], f.metadata["check"])
            elif f.metadata["env"] and environ.get(key):
                values[f.name] = _checked(key, environ[key], f.metadata["check"])
        if "redis_url" not in values:
            url = _redis_from_parts(config, environ)
            if url is not None:
                values["redis_url"] = url
        _warn_of_unknown(config)
        return cls(**values)


def _checked(key: str, value: Any, check: Check) -> Any:
    try:
        return check(value)
    except (TypeError, ValueError, KeyError) as error:
        shown = "a value that is not shown here" if key in SECRETS else repr(value)
        expected = check.__doc__ or "a path, or None"
        raise ConfigurationError(f"{key} is {shown}: expected {expected}") from error


def _redis_from_parts(config: Mapping[str, Any], environ: Mapping[str, str]) -> str | None:
    def look_up(key: str) -> Any:
        return config.get(key) or environ.get(key) or None

    url = look_up("REDIS_URL")
    if url is not None:
        return str(_checked("REDIS_URL", url, _redis_url))
    host, port = look_up("REDIS_HOST"), look_up("REDIS_PORT")
    if host is None and port is None:
        return None
    number = _checked("REDIS_PORT", 6379 if port is None else port, _whole(1, 65535))
    name = _checked("REDIS_HOST", host or "localhost", _name)
    return f"redis://{f'[{name}]' if ':' in name else name}:{number}"


def known_keys() -> list[str]:
    """Return every configuration key that starts with ``STREAMEND_``, sorted."""
    keys = (f.metadata["key"] for f in fields(Settings))
    return sorted(key for key in keys if key.startswith("STREAMEND_"))


def _warn_of_unknown(config: Iterable[str]) -> None:
    known = known_keys()
    for key in config:
        if key.startswith("STREAMEND_") and key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            log.warning("Unknown setting %s%s", key, hint)


def default_of(key: str) -> Any:
    """Return the default of the setting with this key.

    :raises KeyError: where there is none.
    """
    for f in fields(Settings):
        if f.metadata["key"] == key and f.default is not MISSING:
            return f.default
    raise KeyError(key)
