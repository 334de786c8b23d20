"""The way in that all streaming servers' calls take.

What a call says is noted in the store as it is: its acts set a state, so that a repeat changes
nothing, and an out that overtook its in is remembered.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, g, request

from ..access import Refusal, bad_event_id, no_such_event, problem, viewer_named
from ..state import AppState
from ..store.base import GuestAct
from ..telemetry.logs import error_text, log
from . import names
from .call import Call, HookError, Server
from .servers import servers

#: What a server may be called by ``?server=``, where there are several of one kind.
_INSTANCE = re.compile(r"[A-Za-z0-9._-]{0,64}", re.ASCII)

_NO_ID = Refusal(
    400,
    "bad-event-id",
    "bad_event_id",
    "A stream's name gives no event id: STREAMEND_HOOK_EVENT_ID, a callable, maps it to one.",
)


def register(blueprint: Blueprint, state: AppState) -> None:
    """Add a route for each streaming server; they answer 404 while no token is set."""
    for server in servers().values():
        blueprint.add_url_rule(
            f"/streamend/hooks/{server.name}",
            f"hook_{server.name}",
            _view(state, server),
            methods=["POST"],
        )


def _view(state: AppState, server: Server) -> Callable[[], Response]:
    def view() -> Response:
        shut = _shut(state.settings.hook_token)
        if shut is not None:
            return shut
        instance = request.args.get("server", "")
        try:
            if not _INSTANCE.fullmatch(instance):
                raise HookError("server= may have up to 64 of A-Z a-z 0-9 . _ -")
            call = server.read(request)
        except HookError as error:
            state.tally.error("hook")
            log.warning("A call of %s can't be read: %s", server.name, error)
            return problem(400, "bad-call", f"{error}.")
        if call is None:
            return server.accept()
        g.streamend_call = call
        refusal = _note(state, server, instance, call)
        if refusal is None or server.refuse is None:
            return server.accept()
        return server.refuse(refusal.message)

    return view


def _note(state: AppState, server: Server, instance: str, call: Call) -> Refusal | None:
    """Note what a call says; return why a play is refused, else None."""
    event_id = _event_id(state, call)
    if event_id is None:
        state.refusals.note(_NO_ID, "", "a streaming server's stream was let pass, uncounted")
        return None
    found = state.loading.event(event_id)
    if found.missing and call.acts[0] in ("in", "publish"):
        what = "a streaming server's stream was let pass, uncounted"
        state.refusals.note(no_such_event(event_id), event_id, what)
        return None
    if "in" in call.acts and server.refuse is not None:
        who = viewer_named(state, event_id)
        if isinstance(who, Refusal):
            state.refusals.note(who, event_id)
            return who
    settings = state.settings
    tag, delay = names.tag(server.name, instance), int(found.grace(settings.delay) * 1000)
    for act in call.acts:
        plays = act in ("in", "out")
        if plays or settings.end_on != "viewers":
            kind: names.Kind = "plays" if plays else "publishes"
            guest, *before = names.guests(state.sealer, tag, kind, call.viewer, call.life)
            ttl = settings.hook_ttl
            state.guests.note(act, event_id, guest, ttl, secrets.token_hex(8), delay)
            for other in before:  # who came before the keys were rotated is there once
                gone: GuestAct = "out" if plays else "unpublish"
                state.guests.note(gone, event_id, other, ttl, "", delay)
    return None


def _event_id(state: AppState, call: Call) -> str | None:
    """Return the event a stream is; None: its name gives no valid id."""
    mapping = state.settings.hook_event_id
    try:
        event_id: Any = call.stream.replace("/", ":") if mapping is None else mapping(call)
    except Exception as error:  # noqa: BLE001 - the application's code
        state.tally.error("hook")
        log.error("STREAMEND_HOOK_EVENT_ID failed: %s", error_text(error))
        return None
    # The name is not logged: it may be a publishing key.
    return event_id if isinstance(event_id, str) and bad_event_id(event_id) is None else None


def _shut(token: str | None) -> Response | None:
    """Return the answer to who may not call, else None."""
    if token is None:
        return problem(404, "not-found", "There is no such page: set STREAMEND_HOOK_TOKEN.")
    # A plus sign that stands in an address as it is reads as a space; a token has none.
    given = request.args.get("token", "").replace(" ", "+")
    if hmac.compare_digest(given.encode(), token.encode()):
        return None
    return problem(401, "unauthorized", "This address wants ?token=STREAMEND_HOOK_TOKEN.")
