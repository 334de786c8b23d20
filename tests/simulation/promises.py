"""Promises 1 to 4, and what they don't cover, against what really happened.

What is let pass is what docs/how-it-works.md names as an honest limit, as narrowly as the truth
allows; each such rule says which limit it is.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import Counter
from math import inf
from typing import TYPE_CHECKING

from flask_streamend.notices.deliverer import RECORD

from .mail import Sent
from .truth import Viewer

if TYPE_CHECKING:
    from .world import World

#: Float noise, and what is rounded to whole milliseconds.
EPSILON = 0.0015
#: Seconds by which what was told may differ from what is put back: ``lua/put_back.lua``'s.
SLACK = 0.1
#: Seconds within which a viewer is reported where nothing is wrong: Crowd.GATHER, and some calls.
ON_ITS_WAY = 0.15


class Promises:
    """Checks of one history.

    :ivar let_pass: how often each limit was met.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.let_pass: Counter[str] = Counter()

    def broken(self, promise: str, text: str) -> None:
        """Note that a promise was broken; the history ends with this."""
        self.world.fail(f"{promise}: {text}")

    # At each notice.

    def told(self, sent: Sent) -> None:
        """Check a notice at the instant it is taken."""
        decision = self.world.truth.decisions.get((sent.event, sent.session))
        if sent.at < sent.due - EPSILON:
            self.broken("never early", f"{sent} told before its due time")
        if self._again(sent):
            return
        if self.world.truth.by_host(sent):
            return  # the host ended it, viewers or not
        for viewer in self.world.truth.viewers[sent.event]:
            left = max(viewer.closed, viewer.opened)
            if viewer.let_go or viewer.over:
                continue  # of another session, which is over
            if viewer.opened <= sent.due and left > sent.due - self.world.delay + EPSILON:
                self._there(sent, viewer, sent.at if decision is None else decision.at)

    def _there(self, sent: Sent, viewer: Viewer, decided: float) -> None:
        """Judge a viewer who was there within the grace period of an end that was told."""
        why = self._unheard(sent, viewer, decided) or self._cut_off(sent, viewer, decided)
        if not why and not viewer.knowing:
            # Limit: a store that lost its writes, and a process that is dead.
            why = "nobody knows any more"
        if why:
            self.let_pass[why] += 1
            viewer.over = True
            return
        promise = "never early" if viewer.closed < sent.due else "never false"
        self.broken(promise, f"{sent} decided at {decided:.3f} though there was {viewer}")

    def _unheard(self, sent: Sent, viewer: Viewer, decided: float) -> str:
        """Return why the one who decided could not know of a viewer; empty: it had to."""
        world, truth = self.world, self.world.truth
        decision = truth.decisions.get((sent.event, sent.session))
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
        if truth.contacts[viewer.process].spoke_of(viewer, decided):
            return ""  # its process reached the store since, and said nothing
        contact, ordered = truth.contacts[viewer.process], decision and decision.stopped
        for start, end in () if ordered else truth.silences:
            noticed = start + world.quiet < decided < end + world.lease
            if noticed and end > viewer.opened and contact.leased(start, world.lease):
                return ""  # the store had to wait for this process
        # Limit: who comes while the store is away for this process, or just before.
        if contact.in_trouble(viewer.opened, decided):
            return "joined while away"
        # Its first report is on its way.
        return "on its way" if decided - viewer.opened < ON_ITS_WAY else ""

    def _told_apart(self, sent: Sent, viewer: Viewer) -> bool:
        """Return whether an emptied store got an end back after the end it would be one with."""
        truth, life = self.world.truth, self.world.server.life
        put = truth.put.get((sent.event, sent.session), -inf)
        return life > 0 and any(
            event == sent.event and session != sent.session and viewer.opened <= other.at <= put
            for (event, session), other in truth.decisions.items()
        )

    def _cut_off(self, sent: Sent, viewer: Viewer, decided: float) -> str:
        """Return whether a viewer's process was cut off for longer than lease and delay."""
        world, truth = self.world, self.world.truth
        decision = truth.decisions.get((sent.event, sent.session))
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
        noticed = max((end for start, end in truth.silences if end <= decided), default=-inf)
        since = max(last, noticed, truth.began if truth.began > last else -inf)
        long = decided - last >= world.lease + world.delay or truth.began > last
        if long and decided - since >= world.lease - EPSILON:
            return "store emptied, cut off" if truth.began > last else "cut off"
        return ""

    def _again(self, sent: Sent) -> bool:
        """Return whether a session was told before; check that it was not known."""
        again = False
        truth, key = self.world.truth, (sent.event, sent.session)
        for before in truth.sent[sent.event]:
            if before.session != sent.session:
                continue
            if before.message_id != sent.message_id:
                self.broken("never twice", f"{before} and {sent} under two Message-IDs")
            why = self._unknown(before, sent, truth.recorded.get(key))
            if why:
                self.let_pass[why] += 1
            else:
                self.broken("never twice", f"{before} and {sent}")
            again = True
        return again

    def _unknown(self, before: Sent, sent: Sent, recorded: int | None) -> str:
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
            # Limit: a process that is cut off from a store that others reach.
            renewed = contact.renewed
            last = bisect_left(renewed, one.at)
            again = min([sent.at, *renewed[last : last + 1]])
            if last and again - renewed[last - 1] >= world.lease + world.delay:
                return "teller cut off"
        if recorded is not None:
            # Limit: a store that loses writes it acknowledged.
            return "record lost" if recorded != world.server.life else ""
        if not before.by.alive:
            return "teller died"
        return "not recorded" if sent.at - before.at > RECORD else ""

    # At the end.

    def at_rest(self) -> None:
        """Check a system that had time to do all it owed."""
        self._nothing_lost()
        self._nothing_double()
        self.balance()
        self._nothing_left()

    def _nothing_lost(self) -> None:
        truth, world = self.world.truth, self.world
        for event, viewers in truth.viewers.items():
            left = max(
                (v.closed for v in viewers if v.knowing and not (v.let_go or v.over)), default=-inf
            )
            if left == -inf or any(self._tells(sent, left) for sent in truth.sent[event]):
                continue
            last = [v for v in viewers if v.closed == left]
            if any(self._cut_off_at(v, left) for v in last):
                self.let_pass["cut off"] += 1
            elif any(self._told_alone(sent, v) for sent in truth.sent[event] for v in last):
                self.let_pass["joined elsewhere"] += 1
            else:
                self.broken("never lost", f"{event}, whose last viewer left at {left:.3f}")
        for (event, session), decision in truth.decisions.items():
            told = any(sent.session == session for sent in truth.sent[event])
            there = decision.life == world.server.life
            if not told and (there or (decision.life is None and decision.by.alive)):
                self.broken("never lost", f"{event} {session}, decided at {decision.at:.3f}")

    def _cut_off_at(self, viewer: Viewer, at: float) -> bool:
        """Return whether a viewer's process was cut off then, for longer than the limit."""
        world, renewed = self.world, self.world.truth.contacts[viewer.process].renewed
        after = bisect_left(renewed, at)
        before, again = renewed[after - 1 : after], renewed[after : after + 1]
        if not before or not again or again[0] - before[0] < world.lease + world.delay:
            return False
        # From a store that others reached.
        return any(
            before[0] < other.at < again[0] and other.life is not None and event == viewer.event
            for (event, _), other in world.truth.decisions.items()
        )

    def _told_alone(self, sent: Sent, viewer: Viewer) -> bool:
        """Return whether a process told alone of a viewer who was elsewhere, a moment too soon."""
        alone = sent.decided is not None and sent.decided.alone and sent.by is not viewer.process
        return alone and self._tells(sent, viewer.closed - SLACK)

    def _tells(self, sent: Sent, left: float) -> bool:
        """Return whether a notice tells that the last viewer left at an instant."""
        # Who stops an event ends a grace period, too.
        grace = 0.0 if self.world.truth.by_host(sent) else self.world.delay
        return sent.due >= left + grace - EPSILON

    def _nothing_double(self) -> None:
        delay = self.world.delay
        for event, sent in self.world.truth.sent.items():
            firsts: dict[str, Sent] = {}
            for one in sent:
                firsts.setdefault(one.session, one)
            ordered = sorted(firsts.values(), key=lambda one: one.due)
            for first, second in itertools.pairwise(ordered):
                if not any(
                    viewer.closed > first.due - (0 if first.stopped else delay) + EPSILON
                    and viewer.opened <= second.due
                    for viewer in self.world.truth.viewers[event]
                ):
                    why = self._came_unheard(first, second)
                    if why:
                        self.let_pass[why] += 1
                    else:
                        self.broken("never twice", f"{first} and {second}: nobody came in between")

    def _came_unheard(self, first: Sent, second: Sent) -> str:
        """Return why the second of two notices tells of viewers of whom the first could not."""
        truth = self.world.truth
        decided, later = first.decided, second.decided
        if decided is None or later is None:
            return ""
        if later.at < decided.at:
            first, decided = second, later
        # Who decides alone knows what it knew at its last beat.
        knew = truth.contacts[decided.by].beat_before(decided.at) if decided.alone else decided.at
        for viewer in truth.viewers[first.event]:
            contact = truth.contacts[viewer.process]
            stop = decided.at if decided.stopped else -inf
            if viewer.opened <= stop and contact.in_trouble(stop, stop + EPSILON):
                return "came and went: stopped elsewhere"
            if viewer.opened <= decided.at and self._cut_off_at(viewer, decided.at):
                return "came and went: cut off"
            if viewer.opened <= max(first.due, second.due) and viewer.first_heard >= knew:
                why = self._unheard(first, viewer, decided.at)
                if why:
                    return f"came and went: {why}"
        return ""

    def balance(self) -> None:
        """Check that the store's figures agree with each other."""
        store = self.world.server.store
        count = store._stats
        there = len(store._sessions) + count["sessions_ended"] + count["sessions_purged"]
        if count["sessions_begun"] != there:
            self.broken("balance", f"{count['sessions_begun']} sessions begun, {there} there")
        held: Counter[str] = Counter()
        for holder in store._holders.values():
            held.update(holder.held)
        clients = {event: n for event, n in store._clients.items() if n}
        if held != clients:
            self.broken("balance", f"clients {clients}, held {dict(held)}")
        empty = {event for event in store._sessions if not store._clients.get(event)}
        if empty != set(store._due):
            self.broken("balance", f"empty {empty}, due {set(store._due)}")
        open_ = sum(entry.settled is None for entry in store._ledger.values())
        settled = len(store._ledger) - open_
        if count["deliveries_made"] != open_ + settled + count["deliveries_gone"]:
            self.broken("balance", "deliveries made and there differ")

    def _nothing_left(self) -> None:
        world, store = self.world, self.world.server.store
        left = {
            "sessions": store._sessions,
            "due": store._due,
            "clients": store._clients,
            "guests": store._guests,
            "open": [id_ for id_, entry in store._ledger.items() if entry.settled is None],
        }
        for process in world.processes:
            presence = process.presence
            left |= {
                f"{process.name} owes": process.endings.owed._ends,
                f"{process.name} knows": presence._known,
                f"{process.name} changed": presence._changed | presence._unheard,
                f"{process.name} stands in": [1] if process.stand_in._store else [],
                f"{process.name} attempts": process.stand_in._unfinished,
                f"{process.name} guests": process.guests._kept,
            }
        for what, there in left.items():
            if there:
                self.broken("nothing kept", f"{what}: {there}")
