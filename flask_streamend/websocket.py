"""The viewer's WebSocket, ``/ws/<event_id>``, on flask-sock.

Whether a viewer gets in is decided before the handshake, so that a refusal is an HTTP answer. What
a viewer sends is read and dropped.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from flask import Blueprint, Flask, Request, Response, jsonify, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed
from simple_websocket import ConnectionError as NotConnected
from wsproto.events import Ping
from wsproto.utilities import ProtocolError

from .access import (
    DRAINING,
    FLOOD,
    Refusal,
    bad_event_id,
    limit_reached,
    no_such_event,
    origin_refused,
    viewer_named,
)
from .inbound import BOUNDS, POLICY_VIOLATION, Reader
from .state import KEY, AppState
from .telemetry.logs import log

#: Seconds in which a reader thread that has met its socket's end is sure to be over.
SETTLE = 0.05

#: A header of refusals: this was a WebSocket's handshake when it came here.
SEEN = "X-Streamend-WebSocket"
#: What simple-websocket and wsproto raise over a handshake that is none: headers that are missing,
#: twice there, or that can't be read.
_NO_HANDSHAKE = (ProtocolError, NotConnected, ValueError)
RULE = "/ws/<path:event_id>"
ENDPOINT = "socket"


class SocketViewer:
    """A viewer with a socket.

    :ivar listens: whether it asked to hear how many watch (``?count=1``).
    :ivar name: who it is, hashed.
    """

    __slots__ = ("_clients", "_code", "_ws", "listens", "name")

    def __init__(self) -> None:
        self.listens = False
        self.name = ""
        self._ws: Any = None
        self._code: int | None = None
        self._clients: int | None = None

    def stop(self, code: int) -> None:
        """Have the socket closed with a code."""
        self._code = code
        self._wake()

    def tell(self, clients: int) -> None:
        """Have the viewer told how many watch."""
        self._clients = clients
        self._wake()

    def _wake(self) -> None:
        if self._ws is not None:
            self._ws.event.set()

    def hold(self, ws: Any, interval: float) -> None:
        """Wait for the socket's end, with a ping each interval; a silent viewer is let go.

        simple-websocket's reader thread ends exactly when the connection does, in every way it can;
        waiting for that rather than in ``receive()`` also avoids its race after an over-long
        message, and pinging from here saves its selector, a file descriptor a viewer.
        """
        _bound_writes(ws.sock, 2 * interval)
        self._ws = ws
        ping_at = time.monotonic() + interval
        while True:
            if self._code is not None:
                ws.close(self._code)
                return
            if (clients := self._clients) is not None:
                self._clients = None
                ws.send(json.dumps({"clients": clients}))
            if time.monotonic() >= ping_at:
                if not ws.pong_received:
                    ws.close(POLICY_VIOLATION, "no answer to a ping")
                    return
                ws.pong_received = False
                ws.sock.send(ws.ws.send(Ping()))
                ping_at = time.monotonic() + interval
            if ws.event.wait(max(0.0, ping_at - time.monotonic())):
                ws.event.clear()
                if self._code is None and self._clients is None:
                    # A message, or the end, which the reader announces a moment before it is over.
                    ws.thread.join(SETTLE)
                if not ws.thread.is_alive() or not ws.connected:
                    return


def register(app: Flask, prefix: str | None, state: AppState) -> None:
    """Add the viewer's routes to an application."""
    blueprint = Blueprint(f"{KEY}_sockets", __name__)
    Sock().route(RULE, bp=blueprint, endpoint=ENDPOINT)(_watch)

    def plain(event_id: str) -> Response:
        return _admit(state, event_id, None) or _upgrade_required(event_id)

    # Browsers hide why a handshake failed; the client asks by a plain GET and gets the same answer.
    blueprint.add_url_rule(RULE, "plain", plain, methods=["GET"])
    app.register_blueprint(blueprint, url_prefix=prefix)
    _guard(app.view_functions, f"{blueprint.name}.{ENDPOINT}", state)
    app.config.setdefault("SOCK_SERVER_OPTIONS", {}).setdefault("thread_class", Reader)


def _guard(views: dict[str, Callable[..., Any]], endpoint: str, state: AppState) -> None:
    """Have flask-sock's view called for those only who are let in, and while they are counted.

    Not by request hooks: each would cost a viewer more than what it has to do.
    """
    handshake = views[endpoint]

    def guarded(event_id: str) -> Any:
        viewer = SocketViewer()
        refused = _admit(state, event_id, viewer)
        if refused is not None:
            refused.headers[SEEN] = "seen"
            return refused
        try:
            return handshake(state, viewer, event_id)
        except _NO_HANDSHAKE:
            return _bad_handshake()
        finally:
            state.presence.leave(event_id, viewer)
            state.addresses.leave(request.remote_addr)

    views[endpoint] = guarded


def _admit(state: AppState, event_id: str, viewer: SocketViewer | None) -> Response | None:
    """Refuse before the handshake, or let in and count.

    :param viewer: None: nobody comes, somebody asks whether they would be let in.
    """
    asked: Request = request._get_current_object()  # type: ignore[attr-defined]
    # A socket that was open for hours is no slow request (prometheus-flask-exporter's switch).
    asked.prom_do_not_track = True  # type: ignore[attr-defined]
    decided = _decide(state, event_id, asked)
    if isinstance(decided, Refusal):
        return state.refusals.refuse(decided, event_id)
    delay, who = decided
    if viewer is not None:
        viewer.name = state.sealer.name(who)
        viewer.listens = _value(asked, "count") == "1"
        asked.environ[BOUNDS] = state.settings
    if state.settings.limited:
        # One at a time where there is a limit: two would both see the last place free.
        with state.admitting:
            refusal = _limit(state, event_id) or state.addresses.full(asked.remote_addr)
            if refusal is not None:
                return state.refusals.refuse(refusal, event_id)
            if viewer is not None:
                state.presence.enter(event_id, viewer, delay)
                state.addresses.enter(asked.remote_addr)
    elif viewer is not None:
        state.presence.enter(event_id, viewer, delay)
    return None


def _limit(state: AppState, event_id: str) -> Refusal | None:
    everything = state.presence.total() + state.sweep.clients_elsewhere
    return limit_reached(state.settings, state.presence.watchers(event_id), everything)


def _decide(state: AppState, event_id: str, asked: Request) -> Refusal | tuple[float, str]:
    """Return why a viewer is not let in, else the event's grace period in seconds and who it is."""
    settings = state.settings
    refusal = bad_event_id(event_id) or origin_refused(asked, settings)
    if refusal is None and state.draining:
        refusal = DRAINING
    refusal = refusal or state.addresses.too_often(asked.remote_addr)
    if refusal is not None:
        return refusal
    found = state.loading.event(event_id)
    if found.missing:
        return no_such_event(event_id)
    who = _who(state, event_id, asked)
    return who if isinstance(who, Refusal) else (found.grace(settings.delay), who)


def _who(state: AppState, event_id: str, asked: Request) -> Refusal | str:
    """Ask the join token, else the viewer loader: the viewer's id, empty where nobody gives one."""
    token = _value(asked, "token")
    if token is not None:
        return state.tokens.check(token, event_id)
    hint = " No cookie came with the request: is the page on another host name?"
    return viewer_named(state, event_id, "" if asked.cookies else hint)


def _value(asked: Request, name: str) -> str | None:
    """Return a value of the query string, which most viewers have none of: parsing it costs."""
    return asked.args.get(name) if asked.environ.get("QUERY_STRING") else None


def _upgrade_required(event_id: str) -> Response:
    message = f"Event {event_id} is watched over a WebSocket at this address."
    response = jsonify({"error": "upgrade-required", "message": message})
    response.status_code = 426
    response.headers["Upgrade"] = "websocket"
    return response


def _bad_handshake() -> Response:
    response = jsonify(
        {
            "error": "bad-handshake",
            "message": "The request asks for a WebSocket, and its headers are not RFC 6455's.",
        }
    )
    response.status_code = 400
    response.headers["Sec-WebSocket-Version"] = "13"
    return response


def _watch(ws: Any, state: AppState, viewer: SocketViewer, event_id: str) -> None:
    """Hold the socket until it is gone, whoever ended it and however."""
    try:
        viewer.hold(ws, state.settings.ping_interval)
        if ws.ws.flooded:
            state.refusals.note(FLOOD, event_id)
    except (ConnectionClosed, OSError):
        pass
    except Exception:  # noqa: BLE001 - logged with its trace; the viewer must be let go
        state.tally.error("websocket")
        log.exception("A viewer's socket failed", extra={"event_id": event_id})
    finally:
        _drop(ws)


def _bound_writes(sock: socket.socket, seconds: float) -> None:
    """Have the kernel give up a peer that acknowledges nothing (Linux: TCP_USER_TIMEOUT)."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is not None:
        with suppress(OSError):  # not TCP: a test's socketpair
            sock.setsockopt(socket.IPPROTO_TCP, option, int(seconds * 1000))


def _drop(ws: Any) -> None:
    """Leave nothing behind: no reader thread, no open socket."""
    with suppress(OSError):
        ws.sock.shutdown(socket.SHUT_RDWR)
    ws.connected = False
    ws.thread.join(1.0)
    with suppress(OSError):
        ws.sock.close()
