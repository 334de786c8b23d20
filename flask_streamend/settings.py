"""Every setting: its key, default, unit and check. Read once, at ``init_app``.

:class:`Settings` is the one definition: the parser, the errors and the documentation's table are
made from its fields.
"""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from . import checks
from .errors import ConfigurationError
from .event import MAX_DELAY

log = logging.getLogger("flask_streamend")

#: Keys whose values never appear in an error or in a table.
SECRETS = frozenset(
    {
        *("STREAMEND_ENCRYPTION_KEYS", "STREAMEND_API_TOKEN", "STREAMEND_HOOK_TOKEN"),
        "STREAMEND_HOOK_CHECKS",
        *("STREAMEND_REDIS_URL", "REDIS_URL"),
    }
)


def _setting(key: str, default: Any, check: checks.Check, text: str, env: bool = False) -> Any:
    """Declare a setting; ``env``: an absent key falls back to the environment."""
    return field(default=default, metadata={"key": key, "check": check, "text": text, "env": env})


@dataclass(frozen=True)
class Settings:
    """The settings of one application, checked. See each field's ``metadata`` for its key."""

    delay: float = _setting(
        "STREAMEND_DELAY", 30.0, checks.number(0, MAX_DELAY, "seconds"),
        "Grace period after the last viewer has left, in seconds.",
    )  # fmt: skip
    redis_url: str = _setting(
        "STREAMEND_REDIS_URL", "redis://localhost:6379", checks.redis_url,
        "The store. Else `REDIS_URL`, else `REDIS_HOST` and `REDIS_PORT`, each also from the"
        " environment.",
    )  # fmt: skip
    namespace: str = _setting(
        "STREAMEND_NAMESPACE", "streamend", checks.namespace,
        "Prefix of every key. Applications that share a Redis need different ones.",
    )  # fmt: skip
    frontend_url: str = _setting(
        "FRONTEND_URL", "http://localhost:8081", checks.http_url,
        "Where the notice's button leads: `{FRONTEND_URL}/events/{event_id}`.", env=True,
    )  # fmt: skip
    websocket_port: int = _setting(
        "WEBSOCKET_PORT", 8081, checks.whole(1, 65535), "The port the example serves on.", env=True
    )  # fmt: skip
    queue: str = _setting(
        "STREAMEND_QUEUE", "default", checks.name,
        "The RQ queue; a plain `rq worker` reads `default`.",
    )  # fmt: skip
    ping_interval: float = _setting(
        "STREAMEND_PING_INTERVAL", 25.0, checks.number(0.1, 3600, "seconds"),
        "A silent viewer is gone within two of these, in seconds.",
    )  # fmt: skip
    lease: float = _setting(
        "STREAMEND_LEASE", 15.0, checks.number(1, 3600, "seconds"),
        "A dead process's viewers are gone after this, in seconds.",
    )  # fmt: skip
    max_attempts: int = _setting(
        "STREAMEND_MAX_ATTEMPTS", 60, checks.whole(1, 10_000),
        "Attempts at a notice before it is a dead letter.",
    )  # fmt: skip
    retry_backoff: float = _setting(
        "STREAMEND_RETRY_BACKOFF", 5.0, checks.number(0.01, 1800, "seconds"),
        "The first wait after a failed attempt, in seconds; it doubles to 1,800 s, with jitter.",
    )  # fmt: skip
    encryption_keys: tuple[str, ...] = _setting(
        "STREAMEND_ENCRYPTION_KEYS", (), checks.fernet_keys,
        "Fernet keys, newest first; derived from `SECRET_KEY` where absent.",
    )  # fmt: skip
    allowed_origins: tuple[str, ...] = _setting(
        "STREAMEND_ALLOWED_ORIGINS", (), checks.origins,
        "Pages that may open a socket, beside the same host and port and `FRONTEND_URL`'s;"
        " `*`: any.",
    )  # fmt: skip
    mail_verify: bool = _setting(
        "STREAMEND_MAIL_VERIFY", True, checks.boolean,
        "Check the mail server's certificate (Flask-Mail alone checks none).",
    )  # fmt: skip
    mail_ca: str | None = _setting(
        "STREAMEND_MAIL_CA", None, lambda value: value if value is None else checks.name(value),
        "A file of certificate authorities to add.",
    )  # fmt: skip
    mail_timeout: float = _setting(
        "STREAMEND_MAIL_TIMEOUT", 10.0, checks.number(0.1, 300, "seconds"),
        "Bound on each step of an SMTP exchange, from the look-up on, in seconds.",
    )  # fmt: skip
    notice_figures: bool = _setting(
        "STREAMEND_NOTICE_FIGURES", False, checks.boolean,
        "Add lines to the notice: when the session began and ended, its duration, its viewers.",
    )  # fmt: skip
    max_clients: int | None = _setting(
        "STREAMEND_MAX_CLIENTS",
        None,
        checks.whole(1, 10_000_000, none=True),
        "Viewers of all events.",
    )
    max_clients_per_event: int | None = _setting(
        "STREAMEND_MAX_CLIENTS_PER_EVENT", None, checks.whole(1, 10_000_000, none=True),
        "Viewers of one event.",
    )  # fmt: skip
    max_clients_per_address: int | None = _setting(
        "STREAMEND_MAX_CLIENTS_PER_ADDRESS", None, checks.whole(1, 10_000_000, none=True),
        "Viewers from one address, in each process.",
    )  # fmt: skip
    handshake_rate: str | None = _setting(
        "STREAMEND_HANDSHAKE_RATE", None, checks.rate,
        "Handshakes from one address, in each process.",
    )  # fmt: skip
    max_messages_per_second: int | None = _setting(
        "STREAMEND_MAX_MESSAGES_PER_SECOND", 100, checks.whole(1, 1_000_000, none=True),
        "More from a viewer, over ten seconds, closes its socket with 1008.",
    )  # fmt: skip
    max_message_bytes: int = _setting(
        "STREAMEND_MAX_MESSAGE_BYTES", 4096, checks.whole(1, 1 << 24, "bytes"),
        "A larger message from a viewer closes its socket with 1009, in bytes.",
    )  # fmt: skip
    metrics_max_events: int = _setting(
        "STREAMEND_METRICS_MAX_EVENTS", 1000, checks.whole(0, 1_000_000),
        "Events with a series of their own; the rest are summed as `_other`; 0 shows no ids.",
    )  # fmt: skip
    health_path: str | None = _setting(
        "STREAMEND_HEALTH_PATH", "/health", checks.path, "Path of the health page; None: off."
    )
    metrics_path: str | None = _setting(
        "STREAMEND_METRICS_PATH", "/metrics", checks.path, "Path of the metrics page; None: off."
    )
    api_token: str | None = _setting(
        "STREAMEND_API_TOKEN", None, checks.token,
        "Opens the JSON pages and the status page; None: they are not there.",
    )  # fmt: skip
    hook_token: str | None = _setting(
        "STREAMEND_HOOK_TOKEN", None, checks.token,
        "Opens the streaming servers' callbacks; None: they are not there.",
    )  # fmt: skip
    hook_event_id: Callable[..., str] | None = _setting(  # noqa: RUF009 - frozen as the others
        "STREAMEND_HOOK_EVENT_ID", None, checks.function,
        "Maps what a streaming server reports, a `flask_streamend.hooks.Call`, to an event id.",
    )  # fmt: skip
    hook_ttl: float = _setting(
        "STREAMEND_HOOK_TTL", MAX_DELAY, checks.number(1, 30 * MAX_DELAY, "seconds"),
        "A viewer who was reported in and never out is gone after this, in seconds.",
    )  # fmt: skip
    hook_checks: tuple[tuple[str, str], ...] = _setting(
        "STREAMEND_HOOK_CHECKS", (), checks.addresses,
        "Streaming servers that are asked who is there, by kind: `{'srs': 'http://localhost:1985'}`;"
        " of several of a kind, each as `kind/name`.",
    )  # fmt: skip
    end_on: str = _setting(
        "STREAMEND_END_ON", "viewers", checks.one_of("viewers", "publisher", "either"),
        "Whose leaving ends an event.",
    )  # fmt: skip
    tracing: bool = _setting(
        "STREAMEND_TRACING", False, checks.boolean,
        "Set up OpenTelemetry's SDK from the standard OTEL_* variables.",
    )  # fmt: skip
    status_page: bool = _setting(
        "STREAMEND_STATUS_PAGE", False, checks.boolean,
        "Serve the live status page, `/streamend/status`, to who has `STREAMEND_API_TOKEN`.",
    )  # fmt: skip
    url_prefix: str = _setting(
        "STREAMEND_URL_PREFIX", "", checks.prefix, "Path put before the extension's routes."
    )

    @property
    def limited(self) -> bool:
        """Return whether there is a limit on viewers."""
        limits = (self.max_clients, self.max_clients_per_event, self.max_clients_per_address)
        return any(limit is not None for limit in limits)

    @property
    def by_viewers(self) -> bool:
        """Return whether an event has ended that its viewers left."""
        return self.end_on != "publisher"

    @property
    def in_memory(self) -> bool:
        """Return whether the store is this process's memory."""
        return self.redis_url.startswith("memory:")

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


def _checked(key: str, value: Any, check: checks.Check) -> Any:
    try:
        return check(value)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        shown = "a value that is not shown here" if key in SECRETS else repr(value)
        expected = check.__doc__ or "a path, or None"
        # A secret must not show in the chained error either.
        cause = None if key in SECRETS else error
        raise ConfigurationError(f"{key} is {shown}: expected {expected}") from cause


def _redis_from_parts(config: Mapping[str, Any], environ: Mapping[str, str]) -> str | None:
    def look_up(key: str) -> Any:
        value = config.get(key)
        return (environ.get(key) or None) if value in (None, "") else value

    url = look_up("REDIS_URL")
    if url is not None:
        return str(_checked("REDIS_URL", url, checks.redis_url))
    host, port = look_up("REDIS_HOST"), look_up("REDIS_PORT")
    if host is None and port is None:
        return None
    number = _checked("REDIS_PORT", 6379 if port is None else port, checks.whole(1, 65535))
    name = _checked("REDIS_HOST", host or "localhost", checks.name)
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
