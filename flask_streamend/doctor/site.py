"""The application itself: its settings, versions and routes, as this shell has them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from ..errors import ConfigurationError
from ..facts import versions
from ..settings import SECRETS, Settings
from ..web import check_own
from .findings import Case, Finding, doubtful, fine, wrong

#: Seconds after which many proxies cut a connection on which nothing is said, less a margin.
SILENCE = 50.0


def settings_of(case: Case) -> list[tuple[str, str, str]]:
    """Return each setting's key, its value as it may be shown, and where that came from."""
    rows = []
    for field in fields(Settings):
        key = field.metadata["key"]
        value = getattr(case.state.settings, field.name)
        rows.append((key, _shown(key, value), _origin(case, key, field.metadata["env"])))
    return rows


def _origin(case: Case, key: str, env: bool) -> str:
    config = case.app.config
    if key in config:
        return "config"
    if env and os.environ.get(key):
        return "environment"
    if key == "STREAMEND_REDIS_URL":
        for name in ("REDIS_URL", "REDIS_HOST", "REDIS_PORT"):
            if config.get(name) not in (None, ""):
                return f"config's {name}"
            if os.environ.get(name):
                return f"environment's {name}"
    return "default"


def _shown(key: str, value: Any) -> str:
    if value in (None, (), ""):
        return "none"
    if key == "STREAMEND_REDIS_URL" and str(value).startswith("memory:"):
        return str(value)
    if key in SECRETS:
        return "***"
    return f"{value:g}" if isinstance(value, float) else str(value)


def settings(case: Case) -> Iterator[Finding]:
    """Say what is set otherwise than by default, and where."""
    own = [
        f"{key}={value} ({origin})"
        for key, value, origin in settings_of(case)
        if origin != "default"
    ]
    yield fine("settings", ", ".join(own) or "all at their defaults")
    interval = case.state.settings.ping_interval
    if interval >= SILENCE:
        yield doubtful("ping-interval", f"a ping every {interval:g} s")


def software(case: Case) -> Iterator[Finding]:
    """Say which versions this shell has."""
    yield fine("versions", ", ".join(f"{name} {number}" for name, number in versions().items()))


def application(case: Case) -> Iterator[Finding]:
    """Is there an event loader, are the pages the extension's own, and open to operators?"""
    if case.state.extension.event_loader_function is None:
        yield wrong("no-loader", "nothing says who an event's host is")
    if case.state.settings.status_page and not case.state.settings.api_token:
        yield doubtful("status-page-shut", "no token opens it")
    try:
        check_own(case.app, case.state)
    except ConfigurationError as error:
        yield wrong("route-taken", str(error))
