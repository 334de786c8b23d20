"""FRONTEND_URL: set, leading here, and with a proxy that lets viewers through."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..access import NOBODY
from ..websocket import SEEN
from .findings import Case, Finding, doubtful, fine, wrong
from .visit import ERRORS, Visit


def frontend(case: Case) -> Iterator[Finding]:
    """Does the mail's button lead to the site, and do viewers get through?"""
    own = case.state.settings.frontend_url
    if "FRONTEND_URL" in case.app.config or os.environ.get("FRONTEND_URL"):
        yield fine("frontend-url", own)
    else:
        found = f"unset: the mail's button leads to {own}"
        yield wrong("frontend-url", found, "set FRONTEND_URL")
        own = ""
    url = case.url or own
    if case.fetch and url:
        yield _viewers_way(case, url)


def _viewers_way(case: Case, url: str) -> Finding:
    settings = case.state.settings
    try:
        with Visit(url) as visit:
            answer = visit.shake_hands(f"{settings.url_prefix}/ws/{NOBODY}")
        if SEEN in answer.headers:
            case.answered = True
            return fine("viewers-way", f"{url} passes WebSockets")
        ours = "error" in answer.said or _is_health(url, settings.health_path)
    except ERRORS as error:
        return doubtful("frontend-away", f"{url} {type(error).__name__}: {error}")
    if ours:
        return wrong("proxy", f"{url} answered a WebSocket with {answer.status}")
    return doubtful("frontend-elsewhere", f"{url} answered a WebSocket with {answer.status}")


def _is_health(url: str, path: str | None) -> bool:
    if path is None:
        return False
    with Visit(url) as visit:
        return "problems" in visit.get(path).said
