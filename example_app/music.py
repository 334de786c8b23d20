"""Compose what is streamed: notes that follow from the event and the time alone.

Nothing is recorded and nothing is random: every process, asked for the same beat of the same
event, gives the same notes. So every viewer sees and hears the same, whichever worker serves them.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache
from math import sin
from random import Random
from typing import NamedTuple

BEATS = 4  # to a bar
BASS, KEYS, BELL = range(3)
NAMED = {"friday-jam": 0, "harbour-rain": 1, "slow-morning": 2, "night-bus": 3}


@dataclass(frozen=True)
class Scene:
    """Say how an event sounds and looks."""

    beat: float  # seconds; one message to each viewer a beat
    root: int  # MIDI number of the lowest bass note
    scale: tuple[int, ...]  # semitones above the root
    chords: tuple[int, ...]  # degrees of the scale, one a bar
    sky: tuple[str, str]  # from the top to the horizon
    water: tuple[str, str]  # from the horizon to the shore
    lights: tuple[str, str, str]  # of bass, keys and bell


class Note(NamedTuple):
    """Say what is played and when."""

    offset: float  # seconds after its beat
    voice: int
    pitch: int  # MIDI number
    velocity: float  # 0 to 1


MINOR = (0, 2, 3, 5, 7, 8, 10)
MAJOR = (0, 2, 4, 5, 7, 9, 11)
SCENES = (
    Scene(0.5, 45, MINOR, (0, 5, 2, 6), ("#1b1233", "#b5476a"), ("#4a1f4d", "#0d0a1c"),
          ("#ff9a5a", "#ffd08a", "#ffe9d0")),
    Scene(0.6, 41, MINOR, (0, 3, 5, 4), ("#0b1a26", "#3f6f7d"), ("#16343f", "#060e14"),
          ("#6fd6c8", "#a9e6e0", "#e8fbff")),
    Scene(0.64, 43, MAJOR, (0, 3, 4, 3), ("#33415f", "#f0b48a"), ("#6d5a6e", "#1b1c2e"),
          ("#ffb37a", "#ffe0b0", "#fff6e6")),
    Scene(0.46, 38, MINOR, (0, 6, 5, 6), ("#070a1c", "#2c3a86"), ("#141c4a", "#04050f"),
          ("#7f8cff", "#b3a7ff", "#f2d8ff")),
)  # fmt: skip


def scene_for(event_id: str) -> Scene:
    """Return the event's scene; one that is not named here gets one by its id."""
    return SCENES[NAMED.get(event_id, zlib.crc32(event_id.encode()) % len(SCENES))]


def notes_at(event_id: str, beat: int) -> list[Note]:
    """Return the notes of one beat, counted from 1970."""
    bar, within = divmod(beat, BEATS)
    return [note for place, note in _bar(event_id, bar) if place == within]


@lru_cache(maxsize=256)
def _bar(event_id: str, bar: int) -> tuple[tuple[int, Note], ...]:
    scene = scene_for(event_id)
    dice = Random(f"{event_id}/{bar}")  # noqa: S311 - it is music
    chord = scene.chords[bar % len(scene.chords)]
    fullness = 0.55 + 0.25 * sin(bar / 2.6)  # comes and goes over some sixteen bars
    found: list[tuple[int, Note]] = [(0, Note(0.0, BASS, _pitch(scene, chord, 0), 0.9))]
    if dice.random() < fullness:
        found.append((2, Note(0.0, BASS, _pitch(scene, chord + 4, 0), 0.6)))
    for eighth in range(2 * BEATS):
        place, off_beat = divmod(eighth, 2)
        offset = off_beat * scene.beat * 0.54  # a little late: it swings
        if dice.random() < fullness:
            step = chord + dice.choice((0, 2, 4, 6, 7))
            velocity = 0.35 + 0.4 * dice.random()
            found.append((place, Note(offset, KEYS, _pitch(scene, step, 1), velocity)))
        if dice.random() < 0.28 * fullness:
            step = chord + dice.choice((0, 2, 4, 7, 9))
            velocity = 0.3 + 0.3 * dice.random()
            found.append((place, Note(offset, BELL, _pitch(scene, step, 3), velocity)))
    return tuple(found)


def _pitch(scene: Scene, step: int, octave: int) -> int:
    above, degree = divmod(step, len(scene.scale))
    return scene.root + 12 * (octave + above) + scene.scale[degree]
