"""In memory: what processes say of themselves, and the canary's sealed event."""

from __future__ import annotations

from collections.abc import Callable

from .bounds import PROCESSES_MAX
from .introduced import Introduced
from .memory_guests import MemoryGuests
from .memory_presence import GUESTS


class MemoryFacts(MemoryGuests):
    """Processes as they see themselves, beside presence."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        super().__init__(clock)
        self._facts: dict[str, tuple[int, str]] = {}
        self._canaries: dict[str, tuple[int, str]] = {}

    def introduce(self, who: str, facts: str, keep: int) -> int:
        with self._act():
            now = self._now()
            kept = [
                (till, name, told)
                for name, (till, told) in self._facts.items()
                if till > now and name != who and (_is_worker(name) or name in self._holders)
            ]
            if facts:
                kept = sorted(kept, reverse=True)[: PROCESSES_MAX - 1]
                kept.append((now + keep, who, facts))
            self._facts = {name: (till, told) for till, name, told in kept}
            return len(self._facts)

    def introduced(self) -> list[Introduced]:
        with self._act():
            now = self._now()
            kept = {who: told for who, (till, told) in self._facts.items() if till > now}
            living = [
                Introduced(name, kept.get(name, ""), sum(holder.held.values()))
                for name, holder in sorted(self._holders.items())
                if name != GUESTS and holder.lease > now
            ]
            workers = [Introduced(who, told) for who, told in kept.items() if _is_worker(who)]
            return [*living, *workers]

    def put_canary(self, event_id: str, sealed: str, keep: int) -> None:
        with self._act():
            now = self._now()
            self._canaries = {e: row for e, row in self._canaries.items() if row[0] > now}
            self._canaries[event_id] = (now + keep, sealed)

    def canary(self, event_id: str) -> str | None:
        with self._act():
            till, sealed = self._canaries.get(event_id, (0, None))
            return sealed if till > self._now() else None

    def forget_canary(self, event_id: str) -> None:
        with self._act():
            self._canaries.pop(event_id, None)


def _is_worker(who: str) -> bool:
    return Introduced(who, "").worker
