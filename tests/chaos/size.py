"""How large the chaos is."""

from __future__ import annotations

import os
from math import ceil

#: Events in flight in each test: 100, or what ``CHAOS_EVENTS`` says where that is more.
EVENTS = max(100, int(os.environ.get("CHAOS_EVENTS", "100")))
#: Seconds within which what must happen has happened; more events take longer.
PATIENCE = 60.0 + EVENTS / 10


def some(prefix: str, share: float = 1.0) -> list[str]:
    """Return the ids of a share of this run's events."""
    return [f"{prefix}-{number}" for number in range(ceil(EVENTS * share))]
