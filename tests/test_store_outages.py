"""What both stores make of an outage: of what was held up, lost, repeated, and put back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import pytest
from redis import Redis

from flask_streamend.store.base import RESTORE, Change, Held, Kept, Outcome, Report
from flask_streamend.store.interface import Store
from flask_streamend.store.memory_session import another

from .apps.clocked import ClockedStore
from .apps.twins import Starting, halves

LEASE, DELAY, QUIET = 6_000, 4_000, 3_000


@dataclass
class Time:
    """A store, and its clock in seconds.

    :ivar heard: what each process heard last: the store's time and life.
    """

    store: Store
    now: list[float]
    heard: dict[str, tuple[int, str]] = field(default_factory=dict)
    seqs: dict[str, int] = field(default_factory=dict)

    def wait(self, seconds: float) -> None:
        """Have time pass, with somebody about."""
        until = self.now[0] + seconds
        while self.now[0] < until:
            self.now[0] = min(until, self.now[0] + 1)
            self.store.heartbeat("", LEASE, 0, "", QUIET)

    def silence(self, seconds: float) -> None:
        """Have time pass in which the store hears of nobody."""
        self.now[0] += seconds

    def beat(self, holder: str) -> bool:
        """Beat; return whether the store knew the holder."""
        beat = self.store.heartbeat(holder, LEASE, 0, self.life(holder), QUIET)
        self.heard[holder] = (beat.now, beat.epoch)
        return beat.known

    def life(self, holder: str) -> str:
        """Return the life of the store that a process knows."""
        return self.heard.get(holder, (0, ""))[1]

    def report(self, holder: str, held: Held, full: bool = True, deaf: bool = False) -> Report:
        """Report of one event; ``deaf``: and the answer is lost."""
        seq = self.seqs[holder] = self.seqs.get(holder, 0) + 1
        heard, life = self.heard.get(holder, (None, ""))
        report = self.store.report(
            *(holder, seq, LEASE, {"jam": held}, full, life, QUIET, heard),
        )
        if not deaf:
            self.heard[holder] = (report.now, life)
        return report

    def come(self, holder: str, session: str = "s1") -> None:
        """Have one viewer come to a process that the store knows."""
        self.beat(holder)
        self.report(holder, Held(1, session, DELAY, 1))
        self.beat(holder)

    def go(self, holder: str, session: str = "s1") -> Report:
        """Have the viewer of a process go."""
        return self.report(holder, Held(0, session, DELAY, RESTORE, 1000, 1))

    def ends(self) -> list[str]:
        """Return the sessions that end now; a millisecond counts as not over."""
        self.now[0] += 0.002
        return [end.session for end in self.store.claim(10)]

    def due(self) -> float:
        """Return in how many seconds the event ends."""
        (status,) = self.store.status(["jam"])
        assert status.due_at is not None
        return round(status.due_at - self.now[0], 1)


@pytest.fixture(params=["memory", "redis"])
def time(request: pytest.FixtureRequest) -> Iterator[Time]:
    """Return each store, on a clock of the test's."""
    now = [1_700_000_000.0]
    clock = halves(lambda: now[0])
    if request.param == "memory":
        yield Time(Starting(clock), now)
        return
    client = Redis.from_url(request.getfixturevalue("redis_url"))
    yield Time(ClockedStore(client, "outage", clock), now)
    client.close()


def test_a_beat_from_before_an_outage_does_not_end_the_wait(time: Time) -> None:
    """A store that hung does first what was sent before: that says nothing of who came since."""
    time.come("a")
    time.go("a")
    time.silence(10)
    assert not time.beat("a")
    assert time.ends() == []
    time.report("a", Held(1, "s2", DELAY, 1))
    assert time.beat("a")
    time.wait(1)
    assert time.ends() == []
    assert time.store.status(["jam"])[0].state == "live"


def test_a_report_from_before_an_outage_does_not_end_the_wait(time: Time) -> None:
    """Nor does a report that was held up; one of a process that heard of the outage does."""
    time.come("a")
    time.go("a")
    time.silence(10)
    time.report("a", Held(0, "s1", DELAY, 0, 0, 1), full=False, deaf=True)
    assert time.ends() == []
    time.beat("a")
    time.report("a", Held(0, "s1", DELAY, 0, 0, 1))
    assert time.ends() == ["s1"]


def test_a_report_from_before_an_outage_is_worth_a_whole_lease(time: Time) -> None:
    """Its holder is waited for, and has as long as any other to be heard of again."""
    time.come("a")
    time.silence(10)
    time.wait(LEASE / 1000 - 2)
    time.heard["a"] = (int(time.now[0] - 20) * 1000, time.life("a"))
    time.report("a", Held(1, "s1", DELAY, 0, 0, 1), deaf=True)
    time.wait(LEASE / 1000 - 1)
    assert time.store.heartbeat("", LEASE, 0, "", QUIET).lapsed == ()


def test_a_wait_for_unknown_holders_that_nobody_could_use_begins_anew(time: Time) -> None:
    """An emptied store that was away during its wait waits once more."""
    time.heard["a"] = (0, "another life")
    time.come("a")
    time.go("a")
    time.silence(10)
    time.beat("a")
    time.report("a", Held(0, "s1", DELAY, 0, 0, 1))
    assert time.beat("a")
    assert time.ends() == []
    time.wait(LEASE / 1000)
    assert time.ends() == ["s1"]


def test_the_last_leave_counts_whoever_says_so_first(time: Time) -> None:
    """An end that is put back waits for a leave that another process reported before."""
    time.come("a")
    time.come("b")
    time.wait(1)
    time.go("b")
    end = Kept("jam", "s1", 1000, DELAY - 1000, 1)
    time.store.put_back("a", [end], time.seqs["a"])
    assert time.due() == 4.0


def test_a_report_names_when_the_last_one_left(time: Time) -> None:
    """Who left a second before the report moves the end by no more than that."""
    time.come("a")
    time.come("b")
    time.wait(1)
    time.report("b", Held(0, "s1", DELAY, RESTORE, 1000, 1, left=1000))
    time.store.put_back("a", [Kept("jam", "s1", 1000, DELAY - 2000, 1)], time.seqs["a"])
    assert time.due() == 3.0


def test_a_late_put_back_changes_nothing(time: Time) -> None:
    """What was put back before a report that was heard is not put back again after it."""
    time.come("a")
    time.report("a", Held(1, "s1", DELAY, 0, 0, 1))
    end = Kept("jam", "s1", 1000, -1, 1)
    assert time.store.put_back("a", [end], time.seqs["a"] - 1) == 0
    assert time.store.status(["jam"])[0].clients == 1
    assert time.store.put_back("a", [end], time.seqs["a"]) == 1
    assert time.store.status(["jam"])[0].clients == 0


def test_an_end_put_back_takes_no_viewers_of_another_session(time: Time) -> None:
    """What a process has of a later session stays when it puts back an earlier one's end."""
    time.come("a", "s2")
    time.store.put_back("a", [Kept("jam", "s1", 9000, -8000, 1)], time.seqs["a"])
    assert time.store.status(["jam"])[0].clients == 1


def test_what_could_not_be_claimed_is_resumed_by_who_came_since(time: Time) -> None:
    """While an emptied store waits, an end put back before a session that goes on is that one's."""
    time.heard["a"] = (0, "another life")
    time.come("a", "s2")
    end = Kept("jam", "s1", 9000, -8000, 1)
    assert time.store.put_back("b", [end], 0) == 0
    assert time.store.take("me", LEASE, 10) == []
    time.wait(LEASE / 1000)
    time.store.put_back("b", [end], 0)
    assert [delivery.session for delivery in time.store.take("me", LEASE, 10)] == ["s1"]


def test_of_two_ends_put_back_the_later_is_kept(time: Time) -> None:
    """One after the other, while nothing could be claimed: the later one is told, by its name."""
    time.heard["a"] = (0, "another life")
    time.beat("a")
    first, second = Kept("jam", "s1", 9000, -8000, 1), Kept("jam", "s2", 4000, -1000, 1)
    time.store.put_back("b", [first, second], 0)
    time.wait(LEASE / 1000)
    assert time.ends() == ["s2"]


def test_who_came_after_what_was_told_is_told_of_too(time: Time) -> None:
    """A session put back as told goes on, under another name, for who left after its end."""
    time.come("a")
    time.wait(3)
    time.go("a")
    told = Kept("jam", "s1", 9000, -2000, 1, state="sent", channel="email", attempts=1)
    time.store.put_back("b", [told], 0)
    time.wait(4)
    (session,) = time.ends()
    assert session != "s1"


@pytest.mark.parametrize("told_first", [True, False])
def test_an_end_later_than_the_one_that_was_told_is_told_too(time: Time, told_first: bool) -> None:
    """Put back under one name, in either order: the later one gets a name of its own, once."""
    time.heard["a"] = (0, "another life")
    time.beat("a")
    told = Kept("jam", "s1", 9000, -8000, 1, state="sent", channel="email", attempts=1)
    late, twice = Kept("jam", "s1", 30_000, -1000, 2), Kept("jam", "s1", 9000, -7950, 1)
    time.store.put_back("a", [told, late] if told_first else [late, told], 0)
    assert time.store.put_back("b", [late, told, twice], 0) == 0
    time.wait(LEASE / 1000)
    (session,) = time.ends()
    assert session != "s1"
    assert time.store.put_back("b", [replace(late, left=-1000 - LEASE)], 0) == 0
    assert time.ends() == []


def _told(left: int, channel: str = "email", delivery: str = "") -> Kept:
    """Return the end of ``s1`` as a process has told it that the store did not hear of."""
    told = Kept("jam", "s1", 9000, left, 1, state="sent", channel=channel, attempts=1)
    return replace(told, delivery=delivery)


def _balances(store: Store) -> None:
    """See that nothing is lost or counted twice."""
    totals = store.totals(0)
    assert (totals.sessions_unaccounted, totals.deliveries_unaccounted) == (0, 0)


def _deliveries(store: Store) -> dict[str, tuple[str, str]]:
    """Return how every delivery stands: session and state."""
    return {record.id: (record.session, record.state) for record in store.records(10)}


def _went_on(time: Time) -> list[Kept]:
    """Have a session end that went on after it was told elsewhere; return what was told there."""
    time.come("b")
    time.wait(3)
    time.go("b")
    time.wait(DELAY / 1000)
    assert time.ends() == ["s1"]
    time.store.take("me", LEASE, 10)
    return [_told(-3000), _told(-3000, "hook", "s1--hook")]


@pytest.mark.parametrize("first", [True, False])
def test_what_is_told_of_late_is_not_who_was_there_after_it(time: Time, first: bool) -> None:
    """A session went on here, and is over: that end is told, too, and by a name of its own.

    Whichever of the channels that told the other end is heard of first; and twice adds nothing.
    """
    told = _went_on(time)
    told = told if first else told[::-1]
    assert time.store.put_back("a", told, 0) == 2
    assert time.store.put_back("a", told, 0) == 0
    found = _deliveries(time.store)
    assert (found.pop("s1"), found.pop("s1--hook")) == (("s1", "sent"), ("s1", "sent"))
    assert not time.store.sending("s1", "me", LEASE)
    (later,) = time.store.take("me", LEASE, 10)
    assert found == {later.id: (later.session, "pending")}
    assert later.id == later.session
    assert later.due > time.store.look(None).now - 1000
    assert time.store.split(later.id, "me", ["email", "hook"]) == "email"
    for delivery, channel in [(later.id, "email"), (f"{later.id}--hook", "hook")]:
        time.store.take("me", LEASE, 10)
        assert time.store.sending(delivery, "me", LEASE, channel)
        assert time.store.settle(delivery, "me", channel, Outcome.SENT, "", 0) >= 0
    # Who came there after that is yet another session, by the name it has there.
    assert time.store.put_back("a", [Kept("jam", another("s1"), 2000, -1000, 1)], 0) == 1
    assert time.ends() == [another("s1")]
    _balances(time.store)


@pytest.mark.parametrize("state", ["sent", "sending"])
def test_what_is_told_of_late_changes_nothing_of_what_is_being_told(
    time: Time, state: Literal["sent", "sending"]
) -> None:
    """Its host may know of it by that name already; nor does a channel that had not told it yet."""
    told, beside = _went_on(time)
    assert time.store.split("s1", "me", ["email"]) == "email"
    before = _deliveries(time.store)
    assert time.store.put_back("a", [told, replace(beside, state=state)], 0) == 0
    assert _deliveries(time.store) == before
    assert time.store.sending("s1", "me", LEASE)
    _balances(time.store)


def test_what_is_told_of_late_changes_nothing_of_what_is_not_told(time: Time) -> None:
    """The application knew no such event: the later end is skipped, by that name."""
    told, _ = _went_on(time)
    time.store.settle("s1", "me", "", Outcome.SKIPPED, "no_event", 0)
    assert time.store.put_back("a", [told], 0) == 0
    assert _deliveries(time.store) == {"s1": ("s1", "skipped")}
    _balances(time.store)


def test_what_is_told_of_late_is_not_the_stop_of_who_was_there_after_it(time: Time) -> None:
    """A host stopped the stream, and others watched it until then."""
    time.come("b")
    time.wait(20)
    assert time.store.finish("jam", Change.STOPPED) is not None
    time.store.put_back("a", [_told(-9000)], 0)
    assert sorted(state for _, state in _deliveries(time.store).values()) == ["pending", "sent"]
    _balances(time.store)


def test_an_end_that_was_brought_forward_is_no_later_one(time: Time) -> None:
    """Stopped in its grace period, told, and taken by another before that was recorded: once."""
    time.come("b")
    time.wait(3)
    time.go("b")
    time.wait(1)
    assert time.store.finish("jam", Change.STOPPED) is not None
    (mine,) = time.store.take("me", 1000, 10)
    assert time.store.sending("s1", "me", 1000, "email")
    time.wait(2)
    time.store.take("other", LEASE, 10)
    assert time.store.settle("s1", "me", "email", Outcome.SENT, "", 0) == -1
    now = time.store.look(None).now
    time.store.put_back("", [_told(mine.due - now)], said=now)
    assert _deliveries(time.store) == {"s1": ("s1", "sent")}
    assert not time.store.sending("s1", "other", LEASE, "email")
    _balances(time.store)


@pytest.mark.parametrize("state", ["sent", "sending"])
def test_what_hung_on_its_way_and_is_repeated_is_one(
    time: Time, state: Literal["sent", "sending"]
) -> None:
    """Longer than its sender waited, so that its instant came out later than is allowed for."""
    told = _told(-3000)
    said = time.store.look(None).now - 10_000
    time.store.put_back("a", [replace(told, state=state)], 0, said)
    now = time.store.look(None).now
    time.store.put_back("a", [replace(told, left=-13_000)], 0, now)
    assert _deliveries(time.store) == {"s1": ("s1", "sent")}
    time.wait(130)
    assert time.store.take("me", LEASE, 10) == []
    _balances(time.store)


def test_what_is_told_of_late_is_the_end_of_who_was_not_heard_of_since(time: Time) -> None:
    """A process was cut off, and told of its viewers; here they counted until its lease lapsed."""
    time.come("a")
    time.wait(LEASE / 1000 + 1)
    time.store.reap("a")
    time.wait(DELAY / 1000)
    assert time.ends() == ["s1"]
    assert time.store.put_back("a", [_told(-9000)], time.seqs["a"]) == 0
    assert _deliveries(time.store) == {"s1": ("s1", "sent")}


@pytest.mark.parametrize("twice", [False, True])
def test_what_was_put_back_late_is_no_later_end(time: Time, twice: bool) -> None:
    """Its instant comes out too late by as long as that took, whoever says when it was told.

    Somebody else may have put it back in time; calls take a while by themselves.
    """
    now = time.store.look(None).now
    if twice:
        assert time.store.put_back("c", [Kept("jam", "s1", 9000, -1450, 1)], 0, now) == 1
    assert time.store.put_back("b", [Kept("jam", "s1", 9000, 0, 1)], 0, now - 1500) == 1
    time.wait(LEASE / 1000)
    assert time.ends() == ["s1"]
    time.store.put_back("a", [_told(-1550 - LEASE)], 0)
    assert _deliveries(time.store) == {"s1": ("s1", "sent")}


def test_an_end_that_was_long_on_its_way_is_not_another_one(time: Time) -> None:
    """Its instant comes out too late by as long as that took: it is the one that was told."""
    told = Kept("jam", "s1", 9000, -8000, 1, state="sent", channel="email", attempts=1)
    time.store.put_back("a", [told], 0)
    late = Kept("jam", "s1", 9000, -6500, 1)
    assert time.store.put_back("b", [late], 0, time.store.look(None).now - 1500) == 0
    assert time.ends() == []
    # Nobody says for how long, or it was not that long: somebody came after the first was told.
    assert time.store.put_back("b", [late], 0, time.store.look(None).now - 500) == 1


def test_a_session_is_as_old_as_who_was_there_first(time: Time) -> None:
    """Whose process was cut off then: an end of that time is of this session, and put off by it."""
    time.beat("a")
    time.report("a", Held(1, "s2", DELAY, 1))
    time.report("b", Held(1, "s3", DELAY, 1, age=5000))
    end = Kept("jam", "s1", 60_000, -4000, 2)
    assert time.store.put_back("c", [end], 0) == 1
    time.wait(LEASE / 1000)
    time.beat("a")
    time.beat("b")
    assert time.ends() == []
    assert time.store.status(["jam"])[0].session == "s1"


def test_the_most_viewers_of_what_was_told_are_not_those_of_what_came_after(time: Time) -> None:
    """Where it becomes one with a session that began meanwhile, too."""
    told = Kept("jam", "s1", 9000, -8000, 3, state="sent", channel="email", attempts=1)
    time.store.put_back("a", [told], 0)
    time.store.schedule("jam", "s2", DELAY)
    time.store.put_back("a", [Kept("jam", "s1", 9000, 500, 3)], 0)
    assert time.store.status(["jam"])[0].peak == 1


def test_a_stop_outweighs_an_end_that_was_to_come(time: Time) -> None:
    """A session that its host stopped within a grace period does not end once more after that."""
    time.come("a")
    time.go("a")
    assert time.store.finish("jam", Change.STOPPED) is not None
    assert time.store.put_back("a", [Kept("jam", "s1", 1000, DELAY, 1)], time.seqs["a"]) == 0
    assert time.store.status(["jam"])[0].state == "idle"


def test_what_a_store_has_told_it_knows_better_than_who_was_away(time: Time) -> None:
    """An end whose beginning was not answered ends later for the process: it is told once."""
    time.come("a")
    time.go("a")
    time.wait(5)
    assert time.ends() == ["s1"]
    assert time.store.put_back("a", [Kept("jam", "s1", 9000, -1, 1)], time.seqs["a"]) == 0
    assert time.ends() == []


def test_a_flash_whose_answer_was_lost_is_counted_once(time: Time) -> None:
    """Who came and went is reported again, in the next report; the store had heard of it."""
    time.beat("a")
    time.report("a", Held(0, "s1", 0, 1, unsure=1))
    assert time.ends() == ["s1"]
    time.report("a", Held(0, "s1", 0, 0, unsure=1), full=False)
    assert time.ends() == []


def test_a_flash_that_was_not_heard_is_counted_with_the_next_report(time: Time) -> None:
    """Of a report that never came, the next one knows."""
    time.come("a")
    time.go("a")
    time.wait(4)
    assert time.ends() == ["s1"]
    time.seqs["a"] += 1
    time.report("a", Held(0, "s2", DELAY, 0, unsure=1), full=False)
    (status,) = time.store.status(["jam"])
    assert (status.state, status.session) == ("ending", "s2")


def test_a_flash_that_was_heard_is_not_counted_for_a_later_report_that_was_not(time: Time) -> None:
    """Of three reports the first said it, and no answer came; the second, after it, never came."""
    time.beat("a")
    time.report("a", Held(0, "s1", 0, 1, unsure=1))
    assert time.ends() == ["s1"]
    time.seqs["a"] += 1
    time.report("a", Held(0, "s2", 0, 0, unsure=1, ago=2), full=False)
    assert time.store.status(["jam"])[0].state == "idle"
    time.seqs["a"] += 1
    time.report("a", Held(0, "s2", 0, 0, unsure=1, ago=1), full=False)
    assert time.ends() == ["s2"]


def test_who_had_left_when_it_ended_was_told_of(time: Time) -> None:
    """A process that was cut off reports who came and went before the end: no other begins."""
    time.come("a")
    time.come("b")
    time.go("b")
    time.store.reap("a", goodbye=True)
    time.wait(4)
    assert time.ends() == ["s1"]
    time.report("a", Held(0, "s1", DELAY, 1, 9000, 1, left=5000))
    assert time.store.status(["jam"])[0].state == "idle"
    time.report("a", Held(0, "s1", DELAY, 1, 9000, 1, left=10))
    assert time.store.status(["jam"])[0].state == "ending"


def test_a_store_that_lost_nothing_restores_nothing(time: Time) -> None:
    """A session that ended under another name does not begin again by its old one."""
    time.come("a")
    time.store.put_back("b", [Kept("jam", "s0", 60_000, 1000, 1)], 0)
    time.store.finish("jam", Change.STOPPED)
    time.go("a", "s1")
    assert time.store.status(["jam"])[0].state == "idle"
    time.heard["a"] = (time.heard["a"][0], "another life")
    time.go("a", "s1")
    assert time.store.status(["jam"])[0].state == "ending"


def test_a_stop_in_a_wait_is_told_after_it(time: Time) -> None:
    """A process may still have to say that it told of this session while the store was away."""
    time.come("a")
    time.silence(10)
    assert time.store.finish("jam", Change.STOPPED) is not None
    assert time.store.take("me", LEASE, 10) == []
    told = Kept("jam", "s1", 9000, -2000, 1, state="sent", channel="email", attempts=1)
    time.store.put_back("a", [told], time.seqs["a"])
    time.wait(LEASE / 1000)
    assert time.store.take("me", LEASE, 10) == []


def test_a_success_wakes_nothing_that_somebody_has_taken_up(time: Time) -> None:
    """What waits for its channel and is leased stays leased."""
    for event in ("jam", "gig"):
        time.store.schedule(event, event, 0)
        assert time.ends() == [event]
    time.store.take("me", LEASE, 10)
    time.store.settle("jam", "me", "email", Outcome.FAILED, "away", 0, "connect")
    (delivery,) = time.store.take("other", LEASE, 10)
    time.store.settle("gig", "me", "email", Outcome.SENT, "", 0)
    assert time.store.sending(delivery.id, "other", LEASE)
