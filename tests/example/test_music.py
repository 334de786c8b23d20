"""What the example streams."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from itertools import pairwise
from types import SimpleNamespace

import pytest

from example_app import stream
from example_app.music import NAMED, notes_at, scene_for

BEATS = range(3_000_000_000, 3_000_000_400)


def test_another_process_plays_the_same() -> None:
    """Two workers send the same notes for the same beats: their viewers see one stream."""
    code = (
        "import json; from example_app.music import notes_at;"
        f"print(json.dumps([notes_at('friday-jam', beat) for beat in {BEATS!r}]))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    here = json.dumps([notes_at("friday-jam", beat) for beat in BEATS])
    assert json.loads(other.stdout) == json.loads(here)


@pytest.mark.parametrize("event_id", [*NAMED, "an event nobody named"])
def test_notes_can_be_drawn_and_heard(event_id: str) -> None:
    """Every note lies within its beat, has one of the three voices and a pitch people hear."""
    scene = scene_for(event_id)
    notes = [note for beat in BEATS for note in notes_at(event_id, beat)]
    assert len(notes) > len(BEATS) / 2
    for note in notes:
        assert 0 <= note.offset < scene.beat
        assert note.voice in {0, 1, 2}
        assert 36 <= note.pitch <= 110
        assert 0 < note.velocity <= 1


def test_the_response_is_bounded_and_runs_ahead() -> None:
    """A stream says when to come back, then sends each beat once, ahead of its time, and ends."""
    sent = list(stream.messages("friday-jam", longest=0.7))
    assert sent[0] == f"retry: {stream.RETRY}\n\n"
    lines = "".join(sent[1:]).split("\n\n")
    beats = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data")]
    times = [beat["at"] for beat in beats]
    length = scene_for("friday-jam").beat
    assert times == sorted(set(times))
    assert all(abs(later - at - length) < 1e-3 for at, later in pairwise(times))
    assert times[-1] - time.time() < stream.LEAD


def test_a_clock_set_back_sends_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the clock was set back the stream is silent, but not dead, until the time is there."""
    now = [1_500_000_000.0]
    clock = SimpleNamespace(
        time=lambda: now[0], sleep=lambda _seconds: None, monotonic=time.monotonic
    )
    monkeypatch.setattr(stream, "time", clock)
    messages = stream.messages("friday-jam")
    next(messages)
    assert next(messages).startswith("data: ")
    now[0] -= 60
    assert next(messages) == ": still here\n\n"
