"""What a process remembers of an event it holds viewers of, so that it can put it back."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .store.base import RESTORE, Change, Held, Over, Reported

if TYPE_CHECKING:
    from .telemetry.end_spans import Leaving


#: Viewers by name in one report of an event; so many at the most wait for it.
NAMES = 1000


@dataclass(slots=True)
class Known:
    """One event, as one process knows it.

    :ivar session: the session it was told, else the one it would begin.
    :ivar began: when that began, on this process's monotonic clock, in seconds.
    :ivar peak: the session's most viewers; 0 until a store has confirmed the session.
    :ivar delay: the grace period in milliseconds; -1: not known.
    :ivar elsewhere: viewers in other processes, as last heard.
    :ivar most: most viewers here since the last report.
    :ivar unsure: most viewers here since the last report that was answered.
    :ivar said: the number of the last report to say of viewers who were here since the one before.
    :ivar left: when the last viewer here left, likewise.
    :ivar alone: whether at last contact no other process held viewers of it.
    :ivar leaving: the same, where it is traced.
    :ivar names: viewers by name, hashed, whom no report that was answered has named.
    """

    session: str = field(default_factory=lambda: secrets.token_hex(8))
    # Asked late, so that a simulation's clock is asked.
    began: float = field(default_factory=lambda: time.monotonic())  # noqa: PLW0108
    peak: int = 0
    delay: int = -1
    elsewhere: int = 0
    most: int = 0
    unsure: int = 0
    said: int = 0
    left: float = 0.0
    alone: bool = False
    leaving: Leaving | None = None
    names: set[str] = field(default_factory=set)

    def met(self, name: str) -> None:
        """Note a viewer by name who came, for the next report; of too many at once not all."""
        if name and len(self.names) < NAMES:
            self.names.add(name)

    def held(self, count: int, number: int) -> Held:
        """Return what is reported of it, and begin to count the most anew.

        :param number: the next report's to the store; a stand-in may have this one before.
        """
        most, self.most = self.most, 0
        if most:
            self.said = number
        unsure = self.unsure = max(most, self.unsure)
        if count == 0 == most and self.peak:
            most = RESTORE
        now = time.monotonic()
        age = int((now - self.began) * 1000)
        left = 0 if count else int((now - self.left) * 1000)
        names = tuple(sorted(self.names)[:NAMES])
        return Held(
            *(count, self.session, self.delay, most, age, self.peak, left, unsure),
            ago=number - self.said if unsure else 0,
            names=names,
        )

    def learn(self, row: Reported, now: int, count: int, all_there: bool = True) -> None:
        """Take in what the store made of a report.

        :param now: the store's time.
        :param count: viewers here that the report named.
        :param all_there: False: the store was emptied, and may not know others' viewers yet.
        """
        self.unsure = 0
        self.elsewhere = max(0, row.clients - count)
        self.alone = all_there and 0 < row.clients == count
        if row.session:
            self.session, self.peak = row.session, max(1, row.peak)
            self.began = time.monotonic() - max(0, now - row.started) / 1000

    def stopped(self, over: Over, now: int) -> Reported:
        """Return its end, as it was stopped.

        :param now: the store's time.
        """
        began = now - int((time.monotonic() - self.began) * 1000)
        peak = max(1, self.peak, self.most)
        return Reported(over.event_id, Change.ENDING, over.session, 0, over.at, began, peak)

    def renew(self) -> None:
        """Begin another session: who watches on is of that one."""
        self.session, self.began, self.peak = secrets.token_hex(8), time.monotonic(), 0
