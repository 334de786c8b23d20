"""Calls and answers as a trace shows them: without what is empty or as usual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any

from .scheduler import Clock

_EPOCH_MS = int(Clock.EPOCH * 1000)


def brief(what: Any) -> str:
    """Return a value as short as it can be read; instants as seconds of the history."""
    if is_dataclass(what) and not isinstance(what, type):
        shown = []
        for f in fields(what):
            value = getattr(what, f.name)
            usual = None if f.default is MISSING else f.default
            if value not in (usual, None, "", (), 0, False) or f.name in ("count", "clients"):
                shown.append(f"{f.name}={brief(value)}")
        return f"{type(what).__name__}({' '.join(shown)})"
    if isinstance(what, Enum):
        return str(what.value)
    if isinstance(what, int) and what > _EPOCH_MS - 10**6:
        return f"@{(what - _EPOCH_MS) / 1000:.3f}" if what < _EPOCH_MS + 10**10 else "far"
    if isinstance(what, Mapping):
        return "{" + " ".join(f"{key}: {brief(value)}" for key, value in what.items()) + "}"
    if isinstance(what, (list, tuple)):
        return "[" + ", ".join(map(brief, what)) + "]"
    return str(what)
