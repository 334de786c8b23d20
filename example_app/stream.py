"""Stream an event to its viewers: a beat of notes at a time, as server-sent events.

This only carries the picture and the sound. Who watches the page is told by the WebSocket that its
/streamend/streamend.js holds open, so its script says ``?socket``. Who reads the stream without a
page (``curl -N``) is a viewer too, for as long as the response lasts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from flask import Blueprint, Response, abort, request, stream_with_context

from example_app import db, streamend
from example_app.music import notes_at, scene_for

blueprint = Blueprint("stream", __name__)

LEAD = 1.5  # s; a beat is sent this long before it is played, so a slow network skips nothing
LONGEST = 300.0  # s; then the response ends and the browser asks again, wherever it is sent to
RETRY = 800  # ms; how long the browser waits before it asks again


@blueprint.get("/stream/<event_id>")
def stream(event_id: str) -> Response:
    """Answer with the event's notes from now on, for LONGEST seconds."""
    if db.row("SELECT 1 FROM events WHERE id = ?", event_id) is None:
        abort(404)
    body = messages(event_id)
    if "socket" not in request.args:
        body = stream_with_context(counted(event_id, body))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Response(body, mimetype="text/event-stream", headers=headers)


def counted(event_id: str, body: Iterator[str]) -> Iterator[str]:
    """Have whoever is sent this body be a viewer meanwhile."""
    with streamend.viewing(event_id):
        yield from body


def messages(event_id: str, longest: float = LONGEST) -> Iterator[str]:
    """Yield the response piece by piece; each beat, silent or not, is also the heart-beat."""
    length = scene_for(event_id).beat
    until = time.monotonic() + longest
    sent = 0
    yield f"retry: {RETRY}\n\n"
    while time.monotonic() < until:
        now = time.time()
        newest = int((now + LEAD) / length)
        oldest = max(sent + 1, int(now / length))  # what was missed while asleep is left out
        beats = [message(event_id, beat, length, now) for beat in range(oldest, newest + 1)]
        sent = max(sent, newest)
        yield "".join(beats) or ": still here\n\n"
        # Never under a tenth of a second, whatever the clock does.
        time.sleep(max(0.1, (newest + 1) * length - LEAD - now))


def message(event_id: str, beat: int, length: float, now: float) -> str:
    """Write one beat: when it is to be played, what time it is here, and its notes."""
    data = {"at": beat * length, "now": now, "notes": notes_at(event_id, beat)}
    return f"data: {json.dumps(data, separators=(',', ':'))}\n\n"
