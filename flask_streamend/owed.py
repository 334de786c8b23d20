"""The ends a process has seen begin: kept until it knows their hosts told, or the event resumed.

Redis may lose them. What is kept here is put back then, by whoever lives.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from .store.base import Cause, Kept, Over, Reported
from .store.deliveries import Owing, Share
from .store.totals import SETTLED

#: Ends kept at the most; of more, the oldest are let go: the store most likely has them.
KEEP = 10_000
#: Ends whose fate is asked for at a time.
AT_ONCE = 500
#: Seconds between two questions about one end: doubling from the first to the last.
FIRST_WAIT, LAST_WAIT = 1.0, 10.0
#: Seconds within which an answer says when an end is due: a slow one is as much out.
QUICK = 0.1


@dataclass(slots=True)
class End:
    """One end; its instants on the monotonic clock.

    :ivar said: when the store said so, on its own clock, in milliseconds.
    """

    event_id: str
    session: str
    began: float
    due: float
    noted: float
    peak: int
    trace: str
    cause: Cause
    ask_at: float
    said: int = 0
    wait: float = FIRST_WAIT
    shares: tuple[Share, ...] = ()


class Owed:
    """Ends by session, on the monotonic clock."""

    def __init__(self) -> None:
        self._ends: OrderedDict[str, End] = OrderedDict()

    def knows(self, session: str) -> bool:
        """Return whether a session's end is kept."""
        return session in self._ends

    def said(self, session: str) -> int:
        """Return when the store said that a session ends; 0: it did not, as far as is known."""
        end = self._ends.get(session)
        return 0 if end is None else end.said

    def note(self, row: Reported, now: int, trace: str = "") -> None:
        """Keep an end that has begun.

        :param now: the store's time.
        :param trace: the context of its trace, where it has one.
        """
        at = time.monotonic()
        due = at + ((row.due or now) - now) / 1000
        began = at - max(0, now - row.started) / 1000
        self._keep(row.event_id, row.session, began, due, row.peak, trace, row.cause, now)

    def stopped(self, over: Over, now: int, ends: Reported | None) -> None:
        """Keep an end by a stop; one that was kept already is due then at the latest.

        :param now: the store's time.
        :param ends: that end; None: this process let nobody go for it.
        """
        end = self._ends.get(over.session)
        if end is not None:
            end.due = min(end.due, time.monotonic() + (over.at - now) / 1000)
        elif ends is not None:
            self.note(ends, now)

    def keep(self, kept: Kept) -> None:
        """Keep an end that was handed over to the store, unless it was told before."""
        if kept.state not in SETTLED:
            at = time.monotonic()
            began, due = at - kept.age / 1000, at + kept.left / 1000
            self._keep(kept.event_id, kept.session, began, due, kept.peak, kept.trace, kept.cause)

    def _keep(
        self,
        event_id: str,
        session: str,
        began: float,
        due: float,
        peak: int,
        trace: str,
        cause: Cause,
        said: int = 0,
    ) -> None:
        self._ends[session] = End(
            *(event_id, session, began, due, time.monotonic(), peak, trace, cause),
            *(due + FIRST_WAIT, said),
        )
        if len(self._ends) > KEEP:
            self._ends.popitem(last=False)

    def forget(self, sessions: Iterable[str]) -> None:
        """Let ends go: resumed, told or purged."""
        for session in sessions:
            self._ends.pop(session, None)

    def resume(self, event_id: str, came: float) -> End | None:
        """Let the end of an event go that somebody came in time to prevent, and return it."""
        for end in list(self._ends.values()):
            if end.event_id == event_id and end.began <= came <= end.due:
                return self._ends.pop(end.session, None)
        return None

    def to_ask(self) -> list[tuple[str, str]]:
        """Return ends, as pairs of event and session, that may have been told meanwhile."""
        now = time.monotonic()
        asked = [end for end in list(self._ends.values()) if end.ask_at <= now][:AT_ONCE]
        for end in asked:
            end.ask_at, end.wait = now + end.wait, min(LAST_WAIT, 2 * end.wait)
        return [(end.event_id, end.session) for end in asked]

    def learn(self, asked: Iterable[str], owed: Mapping[str, Owing], since: float) -> None:
        """Let go of ends that are told; of the others note when they are due by now.

        :param asked: the sessions that were asked about.
        :param owed: those of them whose hosts are still to be told, as the store knows them.
        :param since: when that was asked, on the monotonic clock: an answer may be slow.
        """
        now = time.monotonic()
        for session in asked:
            end = self._ends.get(session)
            if session not in owed:
                self._ends.pop(session, None)
            elif end is not None:
                end.shares = owed[session].shares
                # What this process saw while it asked is the later word.
                if now - since <= QUICK and end.noted <= since:
                    end.due = now + owed[session].left / 1000

    def kept(self) -> list[Kept]:
        """Return every end, to be put back; one that a channel told already by its deliveries."""
        now, kept = time.monotonic(), []
        for end in list(self._ends.values()):
            one = Kept(
                end.event_id,
                end.session,
                age=int((now - end.began) * 1000),
                # Up: never early.
                left=int((end.due - now) * 1000) + 1,
                peak=end.peak,
                trace=end.trace,
                cause=end.cause,
            )
            kept += [_of(one, share) for share in end.shares] or [one]
        return kept


def _of(end: Kept, share: Share) -> Kept:
    """Return an end's delivery by one of its channels."""
    id_ = "" if share.delivery == end.session else share.delivery
    return replace(end, state=share.state, channel=share.channel, delivery=id_)
