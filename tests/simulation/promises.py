"""Promises 1 to 4 against what really happened, but for what :mod:`.limits` lets pass."""

from __future__ import annotations

import itertools
from collections import Counter
from math import inf
from typing import TYPE_CHECKING

from .limits import EPSILON, SLACK, Limits
from .mail import Sent
from .people import Viewer, ends

if TYPE_CHECKING:
    from .world import World


class Promises:
    """Checks of one history.

    :ivar let_pass: how often each limit was met.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.limits = Limits(world)
        self.let_pass: Counter[str] = Counter()

    def broken(self, promise: str, text: str) -> None:
        """Note that a promise was broken; the history ends with this."""
        self.world.fail(f"{promise}: {text}")

    # At each notice.

    def told(self, sent: Sent) -> None:
        """Check a notice at the instant it is taken."""
        decision = sent.decided
        if sent.at < sent.due - EPSILON:
            self.broken("never early", f"{sent} told before its due time")
        if self._again(sent):
            return
        if self.world.truth.by_host(sent):
            return  # the host ended it, viewers or not
        decided = sent.at if decision is None else decision.at
        # A stop is of all who watched until then, by whatever name an emptied store has their end.
        stops = self.world.truth.stops.items()
        own = (
            at for (e, s), at in stops if e == sent.event and (s == sent.session or at <= decided)
        )
        stopped = max(own, default=-inf)
        # What a stand-in decided comes out later where it is put back, by as long as that takes.
        due = min(sent.due, self.world.truth.due_alone(sent))
        for viewer in self.world.truth.viewers[sent.event]:
            left = max(viewer.closed, viewer.opened)
            if viewer.let_go or viewer.over or left <= stopped:
                continue  # of another session, which is over; or no grace was to be given
            if viewer.opened <= due and left > sent.due - self.world.delay + EPSILON:
                self._there(sent, viewer, decided)

    def _there(self, sent: Sent, viewer: Viewer, decided: float) -> None:
        """Judge a viewer who was there within the grace period of an end that was told."""
        why = (
            self.limits.unheard(sent, viewer, decided)
            or self.limits.cut_off(sent, viewer, decided)
            or self.limits.put_back(sent, viewer, decided)
        )
        if not why and not viewer.knowing:
            # Limit: a store that lost its writes, and a process that is dead.
            why = "nobody knows any more"
        if why:
            self.let_pass[why] += 1
            viewer.over = True
            return
        promise = "never early" if viewer.closed < sent.due else "never false"
        self.broken(promise, f"{sent} decided at {decided:.3f} though there was {viewer}")

    def _again(self, sent: Sent) -> bool:
        """Return whether a session was told before; check that it was not known."""
        again = False
        truth, key = self.world.truth, (sent.event, sent.session)
        for before in truth.sent[sent.event]:
            if before.session != sent.session:
                continue
            if before.message_id != sent.message_id:
                self.broken("never twice", f"{before} and {sent} under two Message-IDs")
            why = self.limits.unknown(before, sent, truth.recorded.get(key))
            if why:
                self.let_pass[why] += 1
            else:
                self.broken("never twice", f"{before} and {sent}")
            again = True
        return again

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
            if left == -inf or any(self.limits.tells(sent, left) for sent in truth.sent[event]):
                continue
            last = [v for v in viewers if v.closed == left]
            if any(self.limits.cut_off_at(v, left) for v in last):
                self.let_pass["cut off"] += 1
            elif world.server.life and any(
                self.limits.tells(sent, left - SLACK) for sent in truth.sent[event]
            ):
                # Limit: of an end that was put back, what happened in a tenth of a second is one.
                self.let_pass["record lost"] += 1
            elif any(self.limits.told_alone(sent, v) for sent in truth.sent[event] for v in last):
                self.let_pass["joined elsewhere"] += 1
            else:
                self.broken("never lost", f"{event}, whose last viewer left at {left:.3f}")
        for (event, session), decision in truth.decisions.items():
            told = any(sent.session == session for sent in truth.sent[event])
            there = decision.life == world.server.life
            if not told and (there or (decision.life is None and decision.by.alive)):
                self.broken("never lost", f"{event} {session}, decided at {decision.at:.3f}")

    def _nothing_double(self) -> None:
        delay = self.world.delay
        for event, sent in self.world.truth.sent.items():
            firsts: dict[str, Sent] = {}
            for one in sent:
                firsts.setdefault(one.session, one)
            ordered = sorted(firsts.values(), key=lambda one: one.due)
            due = [end + delay for end in ends(self.world.truth.viewers[event], delay)]
            told = -inf
            for first, second in itertools.pairwise(ordered):
                between = any(
                    viewer.closed > first.due - (0 if first.stopped else delay) + EPSILON
                    and viewer.opened <= second.due + EPSILON
                    for viewer in self.world.truth.viewers[event]
                )
                # Or two ends, where the first was heard of, and is due, after both.
                if not between and sum(told < at <= second.due + EPSILON for at in due) < 2:
                    why = self.limits.came_unheard(first, second, told - delay)
                    if why:
                        self.let_pass[why] += 1
                    else:
                        self.broken("never twice", f"{first} and {second}: nobody came in between")
                told = first.due

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
