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
    """Have known by its new name what was decided of an end that gets one by a call."""
    kept = args[1] if name == "put_back" else ()
    entries = {(end.event_id, end.session): store._ledger.get(end.session) for end in kept}
    yield
    for (event, session), entry in entries.items():
        if entry is not None and entry.session.id != session:
            _move(truth.decisions, (event, session), (event, entry.session.id))
            _move(truth.stops, (event, session), (event, entry.session.id))


def _move(known: dict[tuple[str, str], T], old: tuple[str, str], new: tuple[str, str]) -> None:
    if old in known:
        known[new] = known.pop(old)
