"""Both stores, given any acts in any order on one clock, give the same answers and look alike."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import count
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from redis import Redis

from flask_streamend.store.base import RESTORE, Cause, Change, GuestAct, Held, Kept, Outcome
from flask_streamend.store.interface import Store

from .apps.twins import Twins, plain

#: Runs, and acts in each.
RUNS, ACTS = 60, 50
LEASE = 6_000
EVENTS = ["jam", "gig", "set"]
_names = count()

events, holders = st.sampled_from(EVENTS), st.sampled_from(["a", "b", "c"])
owners = st.sampled_from(["x", "y"])
delays, leases = st.sampled_from([0, 500, 4_000]), st.sampled_from([1, LEASE])
numbers = st.integers(0, 3)
#: Sessions by number: what an event has now, what was told of it, or a name of its own.
sessions = st.integers(0, 6)
heard = st.sampled_from([None, 0])
causes: st.SearchStrategy[Cause] = st.sampled_from(["", "emptied", "stopping", "stopping"])
GUEST_ACTS: list[GuestAct] = [
    *("join", "seen", "leave", "expire", "in", "out", "publish", "unpublish", "lose", "renew"),
]


def sight(store: Store) -> dict[str, Any]:
    """Return all that can be seen of a store, and check that it agrees with itself."""
    statuses, totals = store.status(EVENTS), store.totals(100)
    watched = [status for status in statuses if status.state != "idle"]
    assert sorted(store.event_ids()) == sorted(status.event_id for status in watched)
    assert totals.clients == sum(status.clients for status in watched)
    assert totals.live == sum(status.state == "live" for status in watched)
    assert totals.ending == sum(status.state == "ending" for status in watched)
    assert (totals.sessions_unaccounted, totals.deliveries_unaccounted) == (0, 0)
    counters = {name: n for name, n in totals.counters.items() if n}
    begun, ended, purged = (
        counters.get(f"sessions_{what}", 0) for what in ("begun", "ended", "purged")
    )
    assert begun == len(watched) + ended + purged
    return {
        "statuses": plain(statuses),
        "totals": plain({**asdict(totals), "counters": counters, "busiest": ()}),
        "busiest": [(busy.event_id, busy.clients, busy.due_at) for busy in totals.busiest],
        "records": plain(store.records(1000)),
        "overview": plain(store.overview(100, 1000)),
    }


class Stores(RuleBasedStateMachine):
    """Acts on both stores; :class:`Twins` compares the answers."""

    redis: Redis

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_700_000_000.0
        self.twins = Twins(self.redis, f"hypothesis{next(_names)}", lambda: self.now)
        self.twins.started()
        self.seqs = dict.fromkeys("abc", 0)
        self.life = ""

    def session(self, event: str, number: int) -> str:
        """Return a session's name, one that means something if there is one."""
        (status,) = self.twins.status([event])
        told = [row.session for row in self.twins.records(100) if row.event_id == event]
        some = [status.session or "", *told]
        return (some[number] if number < len(some) else "") or f"{event}-{number}"

    @rule(seconds=st.sampled_from([0.001, 0.5, 1.5, 4.0, 7.0, 61.0]))
    def wait(self, seconds: float) -> None:
        """Have time pass."""
        self.now += seconds

    @rule(
        holder=holders, event=events, viewers=numbers, most=st.sampled_from([0, 0, 3, RESTORE]),
        number=sessions, delay=st.sampled_from([-1, 0, 4_000]),
        step=st.sampled_from([1, 1, 2, 0, -1]),
        full=st.booleans(), lease=leases, peak=numbers, unsure=numbers, heard=heard,
        age=st.sampled_from([0, 3_000]), ago=st.sampled_from([0, 0, 1, 2]),
    )  # fmt: skip
    def report(
        self, holder: str, event: str, viewers: int, most: int, number: int, delay: int, step: int,
        full: bool, lease: int, peak: int, unsure: int, heard: int | None, age: int,
        ago: int,
    ) -> None:  # fmt: skip
        """Have a process report."""
        seq = self.seqs[holder] = max(1, self.seqs[holder] + step)
        session = self.session(event, number)
        held = Held(viewers, session, delay, most, age, peak, age // 2, unsure, ago)
        self.twins.report(holder, seq, lease, {event: held}, full, self.life, 3_000, heard)

    @rule(holder=st.sampled_from(["", "a", "b", "c"]), lease=leases, learn=st.booleans())
    def beat(self, holder: str, lease: int, learn: bool) -> None:
        """Have a process, or a worker, beat."""
        answer = self.twins.heartbeat(holder, lease, 0, self.life, 3_000)
        self.life = answer.epoch if learn else ""

    @rule(holder=holders, goodbye=st.booleans())
    def reap(self, holder: str, goodbye: bool) -> None:
        """Have a process removed."""
        self.twins.reap(holder, goodbye)

    @rule(
        act=st.sampled_from(GUEST_ACTS),
        event=events, name=st.sampled_from(["ann", "bob"]), ttl=leases, number=sessions,
        delay=delays, keeps=st.booleans(),
    )  # fmt: skip
    def guest(
        self, act: GuestAct, event: str, name: str, ttl: int, number: int, delay: int, keeps: bool
    ) -> None:
        """Have a viewer by name, or a publisher, come or go."""
        session = f"{event}-{number}"
        noted = {(e, n): at for e, n, at in self.twins.guests("")}
        assert noted.keys() == {(e, n) for e, n, _ in self.twins.other.guests("")}
        if act == "lose":
            ttl = noted.get((event, name), 0)
        delay = -1 if act in ("expire", "lose", "renew") else delay
        self.twins.guest(act, event, name, ttl, session, delay, "", keeps)

    @rule(event=events, number=sessions, delay=delays)
    def schedule(self, event: str, number: int, delay: int) -> None:
        """Have an end scheduled."""
        self.twins.schedule(event, f"{event}-{next(_names)}", delay)

    @rule(event=events, change=st.sampled_from([Change.STOPPED, Change.PURGED]))
    def finish(self, event: str, change: Change) -> None:
        """Have a host stop an event, or an operator purge it."""
        self.twins.finish(event, change)

    @rule(
        due=st.sampled_from([None, 0]),
        quiet=st.sampled_from([0, 60_000]),
        limit=st.sampled_from([1, 100]),
    )
    def claim(self, due: int | None, quiet: int, limit: int) -> None:
        """Have an alarm heard."""
        self.twins.look(due, quiet)
        self.twins.claim(limit)
        self.twins.next_try()

    @rule(owner=owners, lease=leases, limit=st.just(100))
    def take(self, owner: str, lease: int, limit: int) -> None:
        """Have deliveries taken."""
        self.twins.take(owner, lease, limit)

    @rule(owner=owners, lease=leases)
    def extend(self, owner: str, lease: int) -> None:
        """Have leases extended, by whoever has them or has them no more."""
        self.twins.extend(owner, [row.id for row in self.twins.records(100)], lease)

    @rule(
        owner=owners, place=numbers, mark=st.booleans(), outcome=st.sampled_from(list(Outcome)),
        retry=st.sampled_from([0, 5_000]), reason=st.sampled_from(["", "connect", "other"]),
    )  # fmt: skip
    def settle(
        self, owner: str, place: int, mark: bool, outcome: Outcome, retry: int, reason: str
    ) -> None:
        """Have an attempt made, and its outcome recorded."""
        rows = sorted(self.twins.records(100), key=lambda row: row.id)
        if rows:
            delivery = rows[place % len(rows)].id
            if mark:
                self.twins.sending(delivery, owner, LEASE, "email" if retry else "")
            self.twins.settle(delivery, owner, "email", outcome, "error", retry, reason, 20)

    @rule(
        owner=owners, channels=st.sampled_from([["email"], ["hook", "email"]]),
        whose=st.sampled_from(["1", "1", "2", ""]), wait=st.sampled_from([1, 3_000, 60_000]),
        out=st.booleans(), stranger=st.sampled_from([False, False, False, True]),
    )  # fmt: skip
    def tell(
        self, owner: str, channels: list[str], whose: str, wait: int, out: bool, stranger: bool
    ) -> None:
        """Have a delivery taken, and its host asked: by which channels, at once or in a digest."""
        twins = self.twins
        # Of several that came up in one millisecond, either may be the first.
        for delivery in sorted(twins.take(owner, LEASE, 100), key=lambda one: one.id):
            me = "stranger" if stranger else owner
            if delivery.digest:
                members = twins.gather(delivery.id, me, LEASE)
                if members and out:
                    twins.gather(delivery.id, me, LEASE, {members[0].id: "no_event"})
                continue
            channel = twins.split(delivery.id, me, channels)
            if whose:
                twins.group(delivery.id, me, whose, channel or "email", wait, 2)
            elif twins.sending(delivery.id, me, LEASE, channel):
                twins.settle(delivery.id, me, channel, Outcome.SENT, "", 0, "", 20)

    @rule(act=st.sampled_from(["retry", "dismiss"]), place=numbers)
    def dead(self, act: Any, place: int) -> None:
        """Have an operator see to a dead letter."""
        rows = sorted(self.twins.records(100), key=lambda row: row.id)
        if rows:
            self.twins.dead(act, rows[place % len(rows)].id)

    @rule(ms=st.sampled_from([0, 2_000]))
    def hold(self, ms: int) -> None:
        """Have notices held."""
        self.twins.hold(ms)

    @rule(
        holder=holders, event=events, number=sessions, age=st.sampled_from([2_000, 9_000]),
        left=st.sampled_from([-5_000, -1, 3_000]), peak=numbers, behind=st.sampled_from([0, 0, 1]),
        state=st.sampled_from(["ending"] * 4 + ["pending", "sending", "sent", "dead", "digested"]),
        beside=st.sampled_from(["", "", "hook"]), cause=causes, late=st.sampled_from([0, 0, 1_500]),
    )  # fmt: skip
    def put_back(
        self, holder: str, event: str, number: int, age: int, left: int, peak: int, behind: int,
        state: str, beside: str, cause: Cause, late: int,
    ) -> None:  # fmt: skip
        """Have an end put back, or one of its deliveries."""
        left = left if state == "ending" else -1
        session = self.session(event, number)
        end = Kept(event, session, age, left, peak, 0, state, beside or "email", "error", 1)
        end = replace(end, cause=cause)
        if beside and state != "ending":
            end = replace(end, delivery=f"{session}--{beside}")
        seq, said = max(0, self.seqs[holder] - behind), self.twins.look(None).now - late
        self.twins.put_back(holder, [end], seq, said)

    @rule()
    def owed(self) -> None:
        """Have a process ask what is still owed."""
        known = [(status.event_id, status.session or "") for status in self.twins.status(EVENTS)]
        known += [(row.event_id, row.session) for row in self.twins.records(100)]
        self.twins.still_owed(known)

    @invariant()
    def both_look_alike(self) -> None:
        """Compare all that can be seen."""
        assert sight(self.twins) == sight(self.twins.other)


def test_both_stores_give_the_same_answers(redis: Redis) -> None:
    """After each act both have answered alike, look alike, and agree with themselves."""
    Stores.redis = redis
    run_state_machine_as_test(
        Stores,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=ACTS,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_both_stores_forget_who_is_long_gone_by_the_same_clock(redis: Redis) -> None:
    """The last report of a process that said goodbye is known for a minute, in both."""
    now = 1_700_000_000.0
    twins = Twins(redis, f"hypothesis{next(_names)}", lambda: now)
    twins.started()
    held = {"jam": Held(1, "s1", 0)}
    assert twins.report("a", 1, LEASE, held, True).events
    twins.reap("a", True)
    assert not twins.report("a", 1, LEASE, held, True).events
    now += 61
    assert twins.report("a", 1, LEASE, held, True).events
