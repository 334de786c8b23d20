"""What a store knows of a process that lives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Introduced:
    """A process that lives, for all the store knows, and what it said of itself.

    :param who: the holder; of a worker its name after ``worker:``.
    :param facts: what it said; empty where it said nothing yet.
    :param clients: viewers it holds.
    """

    who: str
    facts: str
    clients: int = 0

    @property
    def worker(self) -> bool:
        """Return whether it is a worker. Whether that still lives only RQ knows."""
        return self.who.startswith("worker:")
