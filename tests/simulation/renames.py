"""Ends that get another name, to make room for one of theirs that was told before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from flask_streamend.store.memory import MemoryStore

if TYPE_CHECKING:
    from .truth import Truth

T = TypeVar("T")


@contextmanager
def renaming(truth: Truth, store: MemoryStore, name: str, args: tuple[Any, ...]) -> Iterator[None]:
    """Have known by its new name what is known of an end that gets one by a call."""
    kept = args[1] if name == "put_back" else ()
    entries = {(end.event_id, end.session): store._ledger.get(end.session) for end in kept}
    live = {(end.event_id, end.session): store._sessions.get(end.event_id) for end in kept}
    live = {key: session for key, session in live.items() if session and session.id == key[1]}
    yield
    for (event, old), entry in entries.items():
        if entry is not None and entry.session.id != old:
            _move(truth.decisions, (event, old), (event, entry.session.id))
            _move(truth.stops, (event, old), (event, entry.session.id))
    for (event, old), session in live.items():
        if session is not None and session.id != old:
            # It goes on, as another than the one that was told.
            truth.put[event, session.id] |= truth.put[event, old]


def _move(known: dict[tuple[str, str], T], old: tuple[str, str], new: tuple[str, str]) -> None:
    if old in known:
        known[new] = known.pop(old)
