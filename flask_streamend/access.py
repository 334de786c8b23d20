"""Who may open a viewer's socket: Origin, join token, viewer loader, limits.

A refusal is an answer before the handshake, with a code that documentation, logs and the browser
client share.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Request, Response, jsonify
from itsdangerous import BadSignature, TimestampSigner, URLSafeTimedSerializer

from .errors import EventIdError
from .event import LONGEST_ID, check_event_id, check_viewer_id
from .settings import Settings
from .telemetry.logs import log, printable
from .telemetry.names import OTHER, REFUSALS
from .telemetry.tally import Tally

if TYPE_CHECKING:
    from .loading import ViewerLoader
    from .state import AppState

#: Seconds a join token may be good for: a month.
LONGEST_TOKEN = 30 * 86_400
#: Seconds by which the clocks of two servers may differ before a token is from the future.
SKEW = 60.0
#: Seconds between two log lines of the same refusal.
LOG_EVERY = 60.0

#: What the doctor knocks with: no event's id, so that nobody is asked, counted or let in.
NOBODY = OTHER

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True)
class Refusal:
    """Why a viewer is not let in.

    :param status: the HTTP status.
    :param code: the problem code, in the answer, the log and docs/troubleshooting.md.
    :param reason: the value of ``streamend_refusals_total``'s label.
    :param message: one sentence, which names the cure where there is one.
    :param retry_after: seconds after which it is of use to ask again, where they are known.
    """

    status: int
    code: str
    reason: str
    message: str
    retry_after: int | None = None

    def response(self) -> Response:
        """Return the answer."""
        response = jsonify({"error": self.code, "message": self.message})
        response.status_code = self.status
        if self.retry_after is not None:
            response.retry_after = self.retry_after
        return response


FLOOD = Refusal(
    1008,
    "flood",
    "limit",
    "A viewer sent more messages than STREAMEND_MAX_MESSAGES_PER_SECOND allows, and was closed.",
)
HANGING = Refusal(
    503,
    "viewer-loader-hangs",
    "viewer",
    "The application's viewer loader does not answer for those who came before: give what it asks a"
    " time-out.",
)
DRAINING = Refusal(503, "draining", "draining", "This process stops; another one lets you in.")


def problem(status: int, code: str, message: str) -> Response:
    """Return an answer that says what is wrong."""
    response = jsonify({"error": code, "message": message})
    response.status_code = status
    return response


class Refusals:
    """Counts refusals, and logs each code once a minute at the most."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._lock = threading.Lock()
        self._logged: dict[str, tuple[float, int]] = {}

    def refuse(self, refusal: Refusal, event_id: str) -> Response:
        """Count a refusal and return its answer; the doctor is no viewer who was refused."""
        if event_id != NOBODY:
            self.note(refusal, event_id)
        return refusal.response()

    def due(self, code: str) -> int | None:
        """Return how many lines of a code were left out since its last one; None: not yet."""
        now = time.monotonic()
        with self._lock:
            at, more = self._logged.get(code, (-LOG_EVERY, 0))
            due = now - at >= LOG_EVERY
            self._logged[code] = (now, 0) if due else (at, more + 1)
        return more if due else None

    def note(self, refusal: Refusal, event_id: str, what: str = "a viewer was refused") -> None:
        """Count a refusal, and log it if it is time.

        :param what: what happened, for the log.
        """
        self._tally.add(REFUSALS.field(refusal.reason))
        more = self.due(refusal.code)
        if more is not None:
            log.warning(
                "%s: %s (%d more since the last such line): %s",
                refusal.code,
                what,
                more,
                refusal.message,
                # It is anybody's text where it can't be an event's id.
                extra={"event_id": printable(event_id[:LONGEST_ID]), "code": refusal.code},
            )


def bad_event_id(event_id: str) -> Refusal | None:
    """Return a refusal where the id can't be one."""
    try:
        check_event_id(event_id)
    except EventIdError as error:
        return Refusal(400, "bad-event-id", "bad_event_id", str(error))
    return None


def no_such_event(event_id: str) -> Refusal:
    """Return the refusal for an event the loader does not know."""
    return Refusal(404, "no-such-event", "no_such_event", f"There is no event {event_id}.")


def origin_refused(request: Request, settings: Settings) -> Refusal | None:
    """Return a refusal where a browser's page of another site asks.

    Allowed are the same host and port, whatever the scheme (TLS ends at the proxy), FRONTEND_URL's,
    and those in STREAMEND_ALLOWED_ORIGINS. Without an Origin header it is no browser.
    """
    origin = request.environ.get("HTTP_ORIGIN")
    if origin is None or settings.allowed_origins == ("*",):
        return None
    asked = _host_and_port(origin)
    if asked is not None:
        # A proxy ends TLS: the scheme is the page's, host and port are the request's.
        own = _host_and_port(f"{urlsplit(origin).scheme}://{request.host}")
        others = map(_host_and_port, (settings.frontend_url, *settings.allowed_origins))
        if asked in {own, *others}:
            return None
    return Refusal(
        403,
        "origin-refused",
        "origin",
        f"The page's origin {origin[:200]!r} is not this host {request.host!r}: add it to"
        " STREAMEND_ALLOWED_ORIGINS, or have the proxy pass the Host header on.",
    )


def _host_and_port(origin: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(origin if "://" in origin else f"http://{origin}")
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None


def viewer_named(state: AppState, event_id: str, hint: str = "") -> Refusal | str:
    """Ask the application's viewer loader for a viewer's id; empty where nobody gives one.

    :param hint: a sentence about why it may have said no.
    """
    loader = state.extension.viewer_loader_function
    if loader is None:
        return ""
    with state.turns.one() as given:
        if given:
            return _asked(state, loader, event_id, hint)
    state.tally.error("websocket")
    return HANGING


def _asked(state: AppState, loader: ViewerLoader, event_id: str, hint: str) -> Refusal | str:
    try:
        viewer_id: object = loader(event_id)
        if viewer_id is not None:
            return "" if viewer_id == "" else check_viewer_id(viewer_id)
        message = f"The application's viewer loader does not let this viewer in.{hint}"
    except Exception:  # noqa: BLE001 - the application's code; who may watch is not guessed
        state.tally.error("websocket")
        # Whoever knocks decides how often it fails; its line comes as seldom as a refusal's.
        if state.refusals.due("viewer-loader") is not None:
            log.exception("The viewer loader failed", extra={"event_id": event_id})
        message = "The application's viewer loader failed."
    return Refusal(403, "viewer-refused", "viewer", message)


def limit_reached(settings: Settings, event: int, everything: int) -> Refusal | None:
    """Return a refusal where one viewer more would be over a limit.

    :param event: the event's viewers, without this one.
    :param everything: all events' viewers, without this one.
    """
    for key, limit, count in (
        ("STREAMEND_MAX_CLIENTS_PER_EVENT", settings.max_clients_per_event, event),
        ("STREAMEND_MAX_CLIENTS", settings.max_clients, everything),
    ):
        if limit is not None and count >= limit:
            message = f"There are {limit} viewers, as many as {key} allows."
            return Refusal(429, "limit-reached", "limit", message)
    return None


class _Signer(TimestampSigner):
    """Notes with what it signs when that was, by a clock of one's choice."""

    def __init__(self, *args: Any, clock: Callable[[], float], **options: Any) -> None:
        super().__init__(*args, **options)
        self._clock = clock

    def get_timestamp(self) -> int:
        """Return the time, in seconds since the epoch."""
        return int(self._clock())


class Tokens:
    """Join tokens: signed, expiring, for one event and one viewer.

    :param keys: the sealing keys, newest first; an older one still checks.
    :param clock: seconds since the epoch.
    """

    def __init__(self, keys: tuple[str, ...], clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        how = {"key_derivation": "hmac", "digest_method": hashlib.sha256, "clock": clock}
        self._serializer = URLSafeTimedSerializer(
            list(reversed(keys)),
            salt="flask_streamend join token",
            signer=_Signer,
            signer_kwargs=how,
        )

    def make(self, event_id: str, viewer_id: str, expires: float) -> str:
        """Return a token, good for ``expires`` seconds.

        :raises ValueError: where it would be nobody's, or good for ever.
        """
        viewer = check_viewer_id(viewer_id)
        if not 0 < expires <= LONGEST_TOKEN:
            raise ValueError(
                f"expires is {expires!r}: expected a number of seconds above 0, up to"
                f" {LONGEST_TOKEN:,}"
            )
        return str(self._serializer.dumps([event_id, viewer, expires]))

    def check(self, token: str, event_id: str) -> str | Refusal:
        """Return the viewer a token names for an event, or the refusal."""
        why = "is not one of this application's"
        try:
            payload, made = self._serializer.loads(token, return_timestamp=True)
            event, viewer, expires = payload
            age = self._clock() - made.timestamp()
            if event != event_id:
                why = "is for another event"
            elif age > expires:
                why = "has expired"
            elif age < -SKEW:
                why = "was made in the future: one of the servers' clocks is wrong"
            else:
                return str(viewer)
        except (BadSignature, ValueError, TypeError):
            pass
        return Refusal(403, "token-refused", "token", f"The join token {why}.")
