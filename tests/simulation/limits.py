"""What the promises don't cover: docs/reliability.md's honest limits, as narrowly as can be.

Each rule says which limit it is, and returns its name only where its very circumstance was there.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from math import inf
from typing import TYPE_CHECKING

from flask_streamend.notices.settling import RECORD

from ..apps.twins import FRESH_MS
from .mail import Sent
from .people import Decision, Viewer
from .scheduler import Clock

if TYPE_CHECKING:
    from .world import World

#: Float noise, and what is rounded to whole milliseconds.
EPSILON = 0.0015
#: Seconds by which what was told may differ from what is put back: ``lua/put_back.lua``'s.
SLACK = 0.1
#: Seconds within which a viewer is reported where nothing is wrong: Crowd.GATHER, and some calls.
ON_ITS_WAY = 0.15


class Limits:
    """The limits met in one history."""

    def __init__(self, world: World) -> None:
        self.world = world

    def unheard(self, sent: Sent, viewer: Viewer, decided: float) -> str:
        """Return why the one who decided could not know of a viewer; empty: it had to."""
        world, truth = self.world, self.world.truth
        decision = sent.decided
        if decision is not None and decision.alone:
            if viewer.process is decision.by:
                return ""
            beaten = truth.contacts[decision.by].beat_before(decided)
            if viewer.first_heard >= beaten:
                # Limit: who joins another process while the store is away for this one.
                return "joined elsewhere"
            if world.server.life and viewer.heard >= beaten:
                return "joined elsewhere, store emptied"
            return ""
        if self._told_apart(sent, viewer):
            return "store emptied, put back after another end"
        if viewer.heard < decided:
            return ""
        if self._told_by_its_own(sent, viewer):
            # Limit: who watches at another process while the store is away for that.
            return "joined while away"
        if truth.contacts[viewer.process].spoke_of(viewer, decided):
            return ""  # its process reached the store since, and said nothing
        contact, ordered = truth.contacts[viewer.process], decision and decision.stopped
        for start, end in () if ordered else truth.silences:
            # The store keeps whole milliseconds.
            noticed = start + world.quiet + EPSILON < decided < end + world.lease
            waited = contact.leased(start, world.lease) and not any(
                start < at < start + world.quiet for at in contact.reaped
            )
            if noticed and end > viewer.opened and waited:
                return ""  # the store had to wait for this process
        # Limit: who comes while the store is away for this process, or just before.
        if contact.in_trouble(viewer.opened, decided):
            return "joined while away"
        # Its first report is on its way.
        return "on its way" if decided - viewer.opened < ON_ITS_WAY else ""

    def _told_by_its_own(self, sent: Sent, viewer: Viewer) -> bool:
        """Return whether a viewer's process has told of it, while it stood in for the store."""
        return any(
            by is viewer.process
            and event == sent.event
            and viewer.first_heard == inf
            and decision.at < sent.at
            and due / 1000 - Clock.EPOCH >= viewer.closed + self.world.delay - EPSILON
            for (by, event, _), (due, decision) in self.world.truth.alone.items()
        )

    def _told_apart(self, sent: Sent, viewer: Viewer) -> bool:
        """Return whether an emptied store got an end back after the end it would be one with."""
        truth, life = self.world.truth, self.world.server.life
        put = min(truth.put[sent.event, sent.session].values(), default=-inf)
        return life > 0 and any(
            event == sent.event and session != sent.session and viewer.opened <= other.at <= put
            for (event, session), other in truth.decisions.items()
        )

    def put_back(self, sent: Sent, viewer: Viewer, decided: float) -> str:
        """Return why who put an end back did not know of a viewer, or who knew did not speak."""
        world, truth = self.world, self.world.truth
        put = truth.put[sent.event, sent.session]
        for process, at in put.items():
            renewed = truth.contacts[process].renewed
            last = renewed[i - 1] if (i := bisect_left(renewed, at)) else -inf
            others = (c.renewed for life, c in truth.contacts.items() if life is not process)
            long = at - world.lease - world.delay
            # Limit: a process that is cut off from a store that others reach puts back its own.
            away = process is not viewer.process and -inf < last <= long and viewer.closed > last
            if away and any(last < one <= long for one in itertools.chain(*others)):
                return "cut off"
        spoke, over = put.get(viewer.process, inf), viewer.closed + world.delay
        went_on = any(over < other.opened <= spoke for other in truth.viewers[sent.event])
        if world.server.life and went_on and spoke <= sent.at and over <= sent.at:
            # Limit: who knew said so while an emptied store waited, and another session went on. So
            # the end counted as resumed, and another process, which knew less, put it back later:
            # it is told after its grace all the same, with too early an instant.
            return "store emptied, put back after another end"
        waited = truth.began + world.lease
        here = put.get(viewer.process, inf) > decided and viewer.closed < truth.began
        if put and here and truth.contacts[viewer.process].in_trouble(waited - EPSILON, waited):
            # Limit: not back within the lease that an emptied store waits, to say what it knows.
            return "store emptied, cut off"
        return ""

    def cut_off(self, sent: Sent, viewer: Viewer, decided: float) -> str:
        """Return whether a viewer's process was cut off for longer than lease and delay."""
        world, truth = self.world, self.world.truth
        decision = sent.decided
        if decision is not None and decision.alone:
            # The store had reaped it before the one who decided lost contact.
            last = max(truth.contacts[viewer.process].renewed, default=-inf)
            known = truth.contacts[decision.by].renewed
            spoke = known[i - 1] if (i := bisect_left(known, decided)) else -inf
            long = decided - last >= world.lease + world.delay
            return "cut off" if long and spoke - last >= world.lease - EPSILON else ""
        began = sent.due - world.delay
        renewed = truth.contacts[viewer.process].renewed
        last = renewed[i - 1] if (i := bisect_left(renewed, began + EPSILON)) else -inf
        # After an outage the store waited for whom it still knew.
        waited = max(
            (end for start, end in truth.silences if end <= began and start < last + world.lease),
            default=-inf,
        )
        if began - max(last, waited) >= world.lease - EPSILON:
            return "cut off"
        # Or not back within the lease that an emptied store waits.
        last = renewed[i - 1] if (i := bisect_left(renewed, decided)) else -inf
        unknown = world.server.life and not world.server.store._pulse.emptied
        if unknown and last < world.server.began <= decided - FRESH_MS / 1000 + EPSILON:
            # Nobody had been heard of who knew what it was before: it waits a while after a start.
            return "store emptied, cut off"
        if decided - last >= world.lease + world.delay and any(
            last < at <= decided for at in truth.contacts[viewer.process].reaped
        ):
            return "cut off"  # and no wait since is for it
        noticed = max((end for start, end in truth.silences if end <= decided), default=-inf)
        since = max(last, noticed, truth.began if truth.began > last else -inf)
        long = decided - last >= world.lease + world.delay or truth.began > last
        if long and decided - since >= world.lease - EPSILON:
            return "store emptied, cut off" if truth.began > last else "cut off"
        return ""

    def unknown(self, before: Sent, sent: Sent, recorded: int | None) -> str:
        """Return why it was not known that a notice had been told; empty: it was."""
        world = self.world
        if not before.known:
            return "answer lost"
        stop = world.truth.stops.get((before.event, before.session), -inf)
        for one in (before, sent):
            contact = world.truth.contacts[one.by]
            # Limit: what others did just before the store went away for this process.
            if one.by.holding and -inf < contact.beat_before(one.at) <= stop:
                return "stopped elsewhere"
            # Limit: a process that is cut off from a store that others reach. It may be back
            # while the attempt goes on.
            for at in (one.began, one.at):
                last = bisect_left(contact.renewed, at)
                again = min([sent.at, *contact.renewed[last : last + 1]])
                if last and again - contact.renewed[last - 1] >= world.lease + world.delay:
                    return "teller cut off"
        if self._waited_for(before, sent):
            return "teller cut off"
        if recorded is not None:
            # Limit: a store that loses writes it acknowledged.
            return "record lost" if recorded != world.server.life else ""
        if not before.by.alive:
            return "teller died"
        known, teller = before.decided, world.truth.contacts[before.by]
        lost = known is not None and known.life is not None and known.life != world.server.life
        if lost and teller.in_trouble(before.at, sent.at):
            # Limit: the same of a lease, and its owner could not say so yet.
            return "record lost"
        return "not recorded" if sent.at - before.at > RECORD else ""

    def _waited_for(self, before: Sent, sent: Sent) -> bool:
        """Return whether an emptied store waited its lease in vain for who told an end alone."""
        world, later = self.world, sent.decided
        alone = before.decided is not None and before.decided.alone
        if not (world.server.life and alone and later is not None and not later.alone):
            return False
        renewed, until = world.truth.contacts[before.by].renewed, world.truth.began + world.lease
        last = bisect_left(renewed, before.at)
        gone = last and renewed[last - 1] < world.truth.began
        return bool(gone) and min([later.at, *renewed[last : last + 1]]) >= until - EPSILON

    def cut_off_at(self, viewer: Viewer, at: float) -> bool:
        """Return whether a viewer's process was cut off then, for longer than the limit."""
        world, renewed = self.world, self.world.truth.contacts[viewer.process].renewed
        after = bisect_left(renewed, at)
        before, again = renewed[after - 1 : after], renewed[after : after + 1]
        if not viewer.process.alive:
            again = again or [viewer.process.died]
        if not before or not again or again[0] - before[0] < world.lease + world.delay:
            return False
        # From a store that others reached.
        return any(
            before[0] < other.at < again[0] and other.life is not None and event == viewer.event
            for (event, _), other in world.truth.decisions.items()
        )

    def _not_back(self, viewer: Viewer, decision: Decision) -> bool:
        """Return whether an emptied store waited its lease in vain for a viewer's process."""
        truth = self.world.truth
        began = truth.begins.get(decision.life or 0, 0.0)
        renewed = truth.contacts[viewer.process].renewed
        last = bisect_left(renewed, began)
        again = min(renewed[last : last + 1], default=inf)
        waited = began + self.world.lease - EPSILON <= decision.at < again
        return began > 0 and last > 0 and viewer.first_heard < began and waited

    def told_alone(self, sent: Sent, viewer: Viewer) -> bool:
        """Return whether a process told alone of a viewer who was elsewhere, a moment too soon."""
        alone = sent.decided is not None and sent.decided.alone and sent.by is not viewer.process
        return alone and self.tells(sent, viewer.closed - SLACK)

    def tells(self, sent: Sent, left: float) -> bool:
        """Return whether a notice tells that the last viewer left at an instant."""
        # Who stops an event ends a grace period, too, and lets everybody go. By that may be told
        # what was over before, and could not be claimed. An emptied store may get it back from one
        # who knew of a later end and not of the stop; or as one with a session before it.
        truth = self.world.truth
        stopped = truth.stops.get((sent.event, sent.session), -inf)
        stops = [at for (event, _), at in truth.stops.items() if event == sent.event]
        put_back = left <= stopped <= sent.due or any(abs(at - sent.due) <= SLACK for at in stops)
        by_host = put_back or truth.by_host(sent)
        grace = 0.0 if by_host else self.world.delay
        return max(sent.due, stopped) >= left + grace - EPSILON

    def came_unheard(self, first: Sent, second: Sent, since: float) -> str:
        """Return why the second of two notices tells of viewers of whom the first could not.

        :param since: who left before this was told of by a notice before both.
        """
        truth = self.world.truth
        decided, later = first.decided, second.decided
        if decided is None or later is None:
            return ""
        if later.at < decided.at:
            first, decided, second, later = second, later, first, decided
        emptied = None is not decided.life != later.life is not None
        if emptied and abs(second.due - first.due) <= SLACK:
            # Limit: a store that loses writes. Two ends became one there, which was told; one who
            # did not hear that they are one puts its own back.
            return "record lost"
        put = [
            (process, at)
            for one in (first, second)
            for process, at in truth.every_put[first.event, one.session]
            if at <= max(first.at, second.at)
        ]
        begun = min(first.due, second.due) - self.world.lease
        unheard = any(truth.contacts[p].in_trouble(begun, at) for p, at in put)
        if self.world.server.life and put and (decided.stopped or later.stopped or unheard):
            # Limit: the same where one was stopped, or whoever puts it back was not answered.
            return "record lost"
        # Who decides alone knows what it knew at its last beat.
        knew = truth.contacts[decided.by].beat_before(decided.at) if decided.alone else decided.at
        for viewer in truth.viewers[first.event]:
            if viewer.opened <= decided.at and self.cut_off_at(viewer, decided.at):
                return "came and went: cut off"
            if viewer.first_heard < knew and max(viewer.opened, viewer.closed) <= since:
                continue
            if viewer.first_heard < knew and self._not_back(viewer, decided):
                # Limit: the store lost its writes, and who knew was not back within its lease.
                return "came and went: store emptied, cut off"
            contact = truth.contacts[viewer.process]
            stop = decided.at if decided.stopped else -inf
            if viewer.opened <= stop and contact.in_trouble(stop, stop + EPSILON):
                return "came and went: stopped elsewhere"
            if viewer.opened <= max(first.due, second.due) and viewer.first_heard >= knew:
                why = self.unheard(first, viewer, decided.at)
                if why:
                    return f"came and went: {why}"
        return ""
