"""The viewer's WebSocket, ``/ws/<event_id>``, on flask-sock.

Whether a viewer gets in is decided before the handshake, so that a refusal is an HTTP answer. What
a viewer sends is read and dropped.
"""

from __future__ import annotations

import socket
from collections import deque
from contextlib import suppress
from typing import Any

from flask import Blueprint, Response, current_app, g, jsonify, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed
from wsproto.events import Ping

from .errors import EventIdError
from .event import check_event_id
from .state import AppState, state_of
from .telemetry.logs import log

#: RFC 6455, 7.4.1: a silent viewer broke the rule that a ping is answered.
POLICY_VIOLATION = 1008


def register(blueprint: Blueprint) -> None:
    """Add the viewer's route to the extension's blueprint."""
    sock = Sock()
    rule = "/ws/<path:event_id>"
    blueprint.before_request(_admit)
    sock.route(rule, bp=blueprint, endpoint="ws")(_watch)
    # Browsers hide why a handshake failed; the client asks by a plain GET and gets the same answer.
    blueprint.add_url_rule(rule, "ws_plain", _plain, methods=["GET"])


def _admit() -> Response | None:
    """Refuse before the handshake, or let in; applies to the viewer's routes only."""
    if request.endpoint is None or request.endpoint.rpartition(".")[2] not in ("ws", "ws_plain"):
        return None
    # A socket that was open for hours is no slow request (prometheus-flask-exporter's switch).
    request.prom_do_not_track = True  # type: ignore[attr-defined]
    event_id = (request.view_args or {}).get("event_id", "")
    state = state_of(current_app)
    try:
        check_event_id(event_id)
    except EventIdError as error:
        return _refusal(400, "bad-event-id", str(error))
    found = state.loading.event(event_id)
    if found.event is None and found.asked and not found.failed:
        return _refusal(404, "no-such-event", f"There is no event {event_id}.")
    loader = state.extension.viewer_loader_function
    if loader is not None and loader(event_id) is None:
        return _refusal(403, "viewer-refused", "The application does not let you watch this event.")
    default = state.settings.delay
    g.streamend_delay = found.event.grace(default) if found.event is not None else default
    return None


def _refusal(status: int, code: str, message: str) -> Response:
    response = jsonify({"error": code, "message": message})
    response.status_code = status
    return response


def _plain(event_id: str) -> Response:
    response = _refusal(
        426, "upgrade-required", f"Event {event_id} is watched over a WebSocket at this address."
    )
    response.headers["Upgrade"] = "websocket"
    return response


def _watch(ws: Any, event_id: str) -> None:
    """Count the viewer until the socket is gone, whoever ended it and however."""
    state = state_of(current_app)
    with state.presence.viewing(event_id, g.streamend_delay):
        try:
            _hold(ws, state)
        except (ConnectionClosed, OSError):
            pass
        except Exception:  # noqa: BLE001 - logged with its trace; the viewer must be let go
            state.tally.error("websocket")
            log.exception("A viewer's socket failed", extra={"event_id": event_id})
        finally:
            _drop(ws)


def _hold(ws: Any, state: AppState) -> None:
    """Wait for the socket's end, with a ping each interval; a silent viewer is let go.

    simple-websocket's reader thread ends exactly when the connection does, in every way it can;
    waiting for that rather than in ``receive()`` also avoids its race after an over-long message,
    and pinging from here saves its selector, a file descriptor a viewer.
    """
    interval = state.settings.ping_interval
    ws.input_buffer = deque(maxlen=0)
    ws.max_message_size = state.settings.max_message_bytes
    _bound_writes(ws.sock, 2 * interval)
    while True:
        ws.thread.join(interval)
        if not ws.thread.is_alive():
            return
        if not ws.pong_received:
            ws.close(POLICY_VIOLATION, "no answer to a ping")
            return
        ws.pong_received = False
        ws.sock.send(ws.ws.send(Ping()))


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
