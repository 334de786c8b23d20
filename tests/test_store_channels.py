"""Several deliveries of one end, and several ends in one digest, in both stores."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from flask_streamend.owed import Owed
from flask_streamend.standin import AloneStore
from flask_streamend.store.base import Change, Held, Kept, Outcome, Record, Reported
from flask_streamend.store.bounds import STRAY_MS
from flask_streamend.store.deliveries import Delivery
from flask_streamend.store.interface import Store
from flask_streamend.store.memory import MemoryStore

from .apps.clocked import ClockedStore
from .apps.store import LEASE, Web, end, pooled, take

HOUR = 3_600_000
WAIT = 1_000


#: Seconds since the epoch: each look at it takes a millisecond, and :func:`later` moves it.
_now = [1_700_000_000.0]


def _clock() -> float:
    _now[0] += 0.001
    return (math.floor(_now[0] * 1000) + 0.5) / 1000


def later(ms: int) -> None:
    """Have time pass."""
    _now[0] += ms / 1000


@pytest.fixture(params=["redis", "memory"])
def any_store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Return each store in turn, empty, with its time in hand: nothing falls due meanwhile."""
    if request.param == "memory":
        yield MemoryStore(_clock)
        return
    client = pooled(request.getfixturevalue("redis_url"))
    yield ClockedStore(client, "test", _clock)
    client.close()


def emptied(store: Store) -> Store:
    """Return a store that knows nothing of what this one knew."""
    if isinstance(store, ClockedStore):
        return ClockedStore(store.redis, "another", _clock)
    return MemoryStore(_clock)


def records(store: Store) -> dict[str, Record]:
    """Return the ledger by delivery, and see that it balances."""
    totals = store.totals(0)
    assert (totals.sessions_unaccounted, totals.deliveries_unaccounted) == (0, 0)
    return {record.id: record for record in store.records(1000)}


def states(store: Store) -> dict[str, str]:
    """Return each delivery's state."""
    return {id_: record.state for id_, record in records(store).items()}


def counter(store: Store, field: str) -> int:
    """Return a counter."""
    return store.totals(0).counters.get(field, 0)


def settle(
    store: Store, delivery: Delivery, outcome: Outcome, retry: int = 0, error: str = ""
) -> int:
    """Attempt a delivery that was taken, and settle it."""
    assert store.sending(delivery.id, "me", LEASE, delivery.channel)
    return store.settle(delivery.id, "me", delivery.channel, outcome, error, retry)


def split(store: Store, event: str, *channels: str) -> dict[str, Delivery]:
    """Have an event end whose host chose several channels; return its deliveries by channel."""
    (session,) = end(store, event)
    first = take(store, "me")
    assert (first.id, first.channel, first.fresh) == (session, "", True)
    assert store.split(session, "me", channels) == channels[0]
    others = store.take("me", LEASE, 100)
    return {one.channel: one for one in (replace(first, channel=channels[0]), *others)}


# Several channels.


def test_an_end_is_one_delivery_for_each_channel(any_store: Store) -> None:
    """A split makes the delivery the first channel's, and one for each other, ready at once."""
    made = split(any_store, "jam", "email", "hook", "sms")
    session = made["email"].id
    assert {c: one.id for c, one in made.items()} == {
        "email": session,
        "hook": f"{session}--hook",
        "sms": f"{session}--sms",
    }
    rows = records(any_store)
    assert {row.channel for row in rows.values()} == {"email", "hook", "sms"}
    assert {(row.event_id, row.session, row.state, row.due_at) for row in rows.values()} == {
        ("jam", session, "pending", rows[session].due_at)
    }
    assert any_store.totals(0).deliveries["pending"] == 3
    assert (counter(any_store, "deliveries_made"), counter(any_store, "sessions_ended")) == (3, 1)


def test_a_split_stays_as_it_is(any_store: Store) -> None:
    """A repeat makes nothing, other channels change nothing, and a stranger may not."""
    made = split(any_store, "jam", "email", "hook")
    session = made["email"].id
    assert any_store.split(session, "me", ["hook", "sms"]) == "email"
    assert any_store.split(session, "another", ["sms"]) == ""
    assert any_store.split("none", "me", ["sms"]) == ""
    assert any_store.split(f"{session}--hook", "me", ["sms", "email"]) == "hook"
    assert sorted(records(any_store)) == [session, f"{session}--hook"]


def test_all_deliveries_of_an_end_are_in_its_trace(any_store: Store) -> None:
    """Each has the end's trace; where that has none, the one it is given with the split."""
    end(any_store, "jam")
    first = take(any_store, "me")
    any_store.split(first.id, "me", ["email", "hook", "sms"], "its trace")
    assert [one.trace for one in any_store.take("me", LEASE, 10)] == ["its trace"] * 2
    assert any_store.traces([("jam", first.id)]) == {first.id: ("", True)}


def test_what_was_sent_by_a_channel_stays_that_channel_s(any_store: Store) -> None:
    """An attempt at a delivery that was not split freezes its channel."""
    (session,) = end(any_store, "jam")
    take(any_store, "dies")
    assert any_store.sending(session, "dies", 1, "email")
    again = take(any_store, "me")
    assert (again.channel, again.fresh) == ("email", False)
    assert any_store.split(session, "me", ["sms", "hook"]) == "email"
    assert list(records(any_store)) == [session]


def test_each_channel_goes_its_own_way(any_store: Store) -> None:
    """One fails and waits, one is dead, one is sent: each has its own attempts and counters."""
    made = split(any_store, "jam", "email", "hook", "sms")
    settle(any_store, made["email"], Outcome.SENT)
    settle(any_store, made["hook"], Outcome.FAILED, HOUR, "away")
    settle(any_store, made["sms"], Outcome.DEAD, error="no such number")
    session = made["email"].id
    assert states(any_store) == {
        session: "sent",
        f"{session}--hook": "retrying",
        f"{session}--sms": "dead",
    }
    assert counter(any_store, "notifications|email|sent") == 1
    assert counter(any_store, "notifications|hook|failed") == 1
    assert counter(any_store, "notifications|sms|dead") == 1
    assert any_store.take("me", LEASE, 10) == []
    assert any_store.dead("retry", f"{session}--sms")
    again = take(any_store, "me")
    assert (again.channel, again.attempts, again.fresh) == ("sms", 0, False)
    settle(any_store, again, Outcome.DEAD)
    assert any_store.dead("dismiss", f"{session}--sms")
    assert sorted(records(any_store)) == [session, f"{session}--hook"]


def test_a_channel_that_works_again_wakes_what_waits_for_it_only(any_store: Store) -> None:
    """The first success of a channel takes up what failed by it, not what failed by another."""
    for event in ("jam", "gig"):
        for delivery in split(any_store, event, "email", "hook").values():
            if (event, delivery.channel) != ("gig", "hook"):
                assert any_store.sending(delivery.id, "me", LEASE)
                any_store.settle(
                    *(delivery.id, "me", delivery.channel, Outcome.FAILED, "away", HOUR),
                    reason="connect",
                )
            else:
                settle(any_store, delivery, Outcome.SENT)
    (woken,) = any_store.take("me", LEASE, 10)
    assert (woken.event_id, woken.channel) == ("jam", "hook")


def test_an_end_is_owed_while_one_of_its_deliveries_is_open(any_store: Store) -> None:
    """Whoever saw an end keeps it until every channel's delivery is settled."""
    made = split(any_store, "jam", "email", "hook")
    session = made["email"].id
    assert any_store.still_owed([("jam", session)])[session].shares == ()
    settle(any_store, made["email"], Outcome.SENT)
    assert set(any_store.still_owed([("jam", session), ("gig", "none")])) == {session}
    shares = any_store.still_owed([("jam", session)])[session].shares
    assert [(share.delivery, share.channel, share.state) for share in shares] == [
        (session, "email", "sent"),
        (f"{session}--hook", "hook", "pending"),
    ]
    settle(any_store, made["hook"], Outcome.FAILED)
    assert set(any_store.still_owed([("jam", session)])) == {session}
    settle(any_store, take(any_store, "me"), Outcome.SENT)
    assert set(any_store.still_owed([("jam", session)])) == set()


def test_nothing_is_counted_of_a_channel_that_is_not_there(any_store: Store) -> None:
    """A dead letter to an unknown channel keeps its name, and no counter has it."""
    made = split(any_store, "jam", "fax", "email")
    id_ = made["fax"].id
    any_store.settle(id_, "me", "", Outcome.DEAD, "no channel is named 'fax'", 0, "other")
    row = records(any_store)[id_]
    assert (row.state, row.channel, row.error) == ("dead", "fax", "no channel is named 'fax'")
    assert not [field for field in any_store.totals(0).counters if field.count("|") == 2]


def test_what_was_told_while_the_store_was_away_is_put_back_by_channel(any_store: Store) -> None:
    """Each channel's delivery is put back for itself; a split then makes only what is missing."""
    told = Kept("jam", "s1", 9_000, -1_000, state="sent", channel="hook", delivery="s1--hook")
    assert any_store.put_back("web", [told]) == 1
    assert any_store.put_back("web", [told]) == 0
    first = Kept("jam", "s1", 9_000, -1_000, state="pending", channel="email")
    tried = replace(told, state="retrying", channel="sms", delivery="s1--sms", attempts=2)
    assert any_store.put_back("web", [first, tried]) == 2
    assert states(any_store) == {"s1": "pending", "s1--hook": "sent", "s1--sms": "retrying"}
    taken = {one.channel: one for one in any_store.take("me", LEASE, 10)}
    assert (taken["sms"].attempts, taken["sms"].session) == (2, "s1")
    assert set(any_store.still_owed([("jam", "s1")])) == {"s1"}
    # By a process that knew only of the end.
    later = Kept("gig", "s2", 9_000, -1_000, state="sent", channel="hook", delivery="s2--hook")
    any_store.put_back("", [later])
    any_store.put_back("web", [Kept("gig", "s2", 9_000, -1_000, state="pending")])
    (gig,) = any_store.take("me", LEASE, 10)
    assert any_store.split(gig.id, "me", ["email", "hook"]) == "email"
    assert states(any_store)["s2--hook"] == "sent"
    assert any_store.take("me", LEASE, 10) == []


def test_a_store_that_was_emptied_has_no_channel_tell_twice(any_store: Store) -> None:
    """A process puts back an end of which it learned who told it: only the others tell."""
    made = split(any_store, "jam", "email", "hook", "sms")
    session = made["email"].id
    settle(any_store, made["email"], Outcome.SENT)
    settle(any_store, made["hook"], Outcome.FAILED, HOUR)
    settle(any_store, made["sms"], Outcome.DEAD)
    owed, now = Owed(), any_store.look(None).now
    owed.note(Reported("jam", Change.ENDING, session, 0, now - 1_000, now - 9_000, 3), now)
    (whole,) = owed.kept()
    assert (whole.state, whole.delivery) == ("ending", "")
    owed.learn([session], any_store.still_owed([("jam", session)]), time.monotonic())
    kept = owed.kept()
    empty = emptied(any_store)
    assert empty.put_back("web", kept) == 3
    assert states(empty) == {
        session: "sent",
        f"{session}--hook": "pending",
        f"{session}--sms": "dead",
    }
    (again,) = empty.take("me", LEASE, 10)
    assert (again.channel, again.fresh, again.event_id) == ("hook", True, "jam")
    assert empty.put_back("web", kept) == 0
    settle(empty, again, Outcome.SENT)
    owed.learn([session], empty.still_owed([("jam", session)]), time.monotonic())
    assert owed.kept() == []


def test_a_process_learns_that_others_put_an_end_off(any_store: Store) -> None:
    """It puts it back so into a store that is emptied then: whoever put it off may be gone."""
    held = {"jam": Held(0, "s1", HOUR, 1)}
    (_, row) = any_store.report("there", 1, LEASE, held, full=True).events
    assert (row.change, row.session) == (Change.ENDING, "s1")
    owed, now = Owed(), any_store.look(None).now
    owed.note(replace(row, due=now - WAIT), now)
    still = any_store.still_owed([("jam", "s1")])
    assert HOUR - WAIT < still["s1"].left <= HOUR
    # An answer that was slow: it was due in so long when it was given, and not now.
    owed.learn(["s1"], still, time.monotonic() - 1)
    assert owed.kept()[0].left < 0
    owed.learn(["s1"], still, time.monotonic())
    assert HOUR - WAIT < owed.kept()[0].left <= HOUR
    # What it saw itself after it asked is the later word.
    asked = time.monotonic()
    owed.note(replace(row, due=now + 2 * HOUR), now)
    owed.learn(["s1"], still, asked)
    assert owed.kept()[0].left > HOUR
    # Claimed, it is due as it was.
    later(2 * HOUR)
    any_store.claim(1)
    claimed = any_store.still_owed([("jam", "s1")])
    assert -HOUR - WAIT < claimed["s1"].left < -HOUR + WAIT


def test_a_process_learns_that_an_end_it_kept_was_stopped(any_store: Store) -> None:
    """It may have seen it begin; by the stop it ended sooner, and is put back so."""
    web, there = Web(any_store, "web", HOUR), Web(any_store, "there", HOUR)
    web.visit("jam")
    there.set("jam", 1)
    (row,) = there.send({"jam": 0}).events
    owed, since = Owed(), any_store.look(None).now
    owed.note(row, since)
    assert owed.kept()[0].left > WAIT
    ended = any_store.finish("jam", Change.STOPPED)
    assert ended is not None
    answer = any_store.heartbeat("web", LEASE, since)
    (over,) = answer.over
    assert abs(over.at - ended.due) <= 1
    owed.stopped(over, answer.now, None)
    (kept,) = owed.kept()
    assert -WAIT < kept.left <= 1


def test_what_a_stand_in_told_by_channel_is_handed_back(any_store: Store) -> None:
    """What one channel told without the store is known; the others and digests are owed."""
    alone = AloneStore(lambda: None)
    alone._clock = _clock
    made = split(alone, "jam", "email", "hook", "sms")
    settle(alone, made["email"], Outcome.SENT)
    settle(alone, made["hook"], Outcome.FAILED, HOUR)
    (gig,) = end(alone, "gig")
    assert take(alone, "me").id == gig
    assert alone.group(gig, "me", "host", "email", WAIT) is None
    later(2 * WAIT)
    assert alone.take("me", LEASE, 10) == []
    assert any_store.put_back("web", alone.kept()) == 4
    session = made["email"].id
    assert states(any_store) == {
        session: "sent",
        f"{session}--hook": "retrying",
        f"{session}--sms": "pending",
    }
    # Judged afresh: what nobody tried to tell may have been resumed elsewhere.
    assert [one.session for one in any_store.claim(10)] == [gig]
    assert {one.channel for one in any_store.take("me", LEASE, 10)} == {"hook", "sms", ""}


# Digests.


def grouped(store: Store, *events: str, wait: int = WAIT, most: int = 100) -> list[str]:
    """Have events of one host end, and their notices wait for its digest; return the digests."""
    found = []
    for event in events:
        end(store, event)
        delivery = take(store, "me")
        waits = store.group(delivery.id, "me", "host", "email", wait, most)
        assert waits is not None
        assert waits.made == (waits.id == f"digest-{delivery.id}")
        found.append(waits.id)
    return found


def test_a_host_s_ends_wait_for_one_digest(any_store: Store) -> None:
    """The first makes it, the others join; it falls due so long after the first's end."""
    digest, *others = grouped(any_store, "jam", "gig", "set", wait=HOUR)
    assert set(others) == {digest}
    rows = records(any_store)
    first = next(row for row in rows.values() if row.event_id == "jam" and row.id != digest)
    assert digest == f"digest-{first.id}"
    assert rows[digest].due_at == pytest.approx(first.due_at + HOUR / 1000)
    assert (rows[digest].event_id, rows[digest].channel) == ("jam", "email")
    assert set(states(any_store).values()) == {"pending"}
    assert any_store.totals(0).deliveries["pending"] == 4
    assert counter(any_store, "deliveries_made") == 4
    assert any_store.take("me", LEASE, 10) == []
    wait = any_store.next_try()
    assert wait is not None
    assert HOUR - 60_000 < wait <= HOUR
    assert set(any_store.still_owed([("jam", first.id)])) == {first.id}


def test_hosts_and_channels_have_digests_of_their_own(any_store: Store) -> None:
    """What another host, or another channel, is told is another digest."""
    found = set()
    for event, host, channel in (("a", "1", "email"), ("b", "2", "email"), ("c", "1", "hook")):
        end(any_store, event)
        delivery = take(any_store, "me")
        waits = any_store.group(delivery.id, "me", host, channel, HOUR)
        assert waits is not None
        found.add(waits.id)
    assert len(found) == 3


def test_a_digest_s_members_are_frozen_at_its_first_attempt(any_store: Store) -> None:
    """Its members are told with it; a later end begins another digest."""
    (digest, same) = grouped(any_store, "jam", "gig")
    assert digest == same
    # Until its first attempt it is open to others.
    assert grouped(any_store, "late") == [digest]
    later(WAIT)
    delivery = take(any_store, "me")
    assert (delivery.id, delivery.digest, delivery.channel) == (digest, True, "email")
    members = any_store.gather(digest, "me", LEASE)
    assert members is not None
    assert [member.event_id for member in members] == ["jam", "gig", "late"]
    assert {state for id_, state in states(any_store).items() if id_ != digest} == {"digested"}
    sessions = [(member.event_id, member.session) for member in members]
    assert set(any_store.still_owed(sessions)) == {session for _, session in sessions}
    (other,) = grouped(any_store, "set", wait=HOUR)
    assert other != digest
    assert any_store.gather(digest, "me", LEASE) == members
    assert any_store.gather(digest, "another", LEASE) is None
    assert any_store.gather("none", "me", LEASE) is None
    settle(any_store, delivery, Outcome.SENT)
    assert set(any_store.still_owed(sessions)) == set()
    assert counter(any_store, "notifications|email|sent") == 1
    assert counter(any_store, "notification_latency|email|count") == 1
    assert any_store.totals(0).deliveries == {
        **dict.fromkeys(("sending", "retrying", "skipped", "dead"), 0),
        **{"digested": 3, "sent": 1, "pending": 2},
    }


def test_a_digest_is_tried_again_with_the_same_members(any_store: Store) -> None:
    """A digest whose sender died, or failed, comes up again as any delivery; nothing is lost."""
    (digest, _) = grouped(any_store, "jam", "gig")
    later(WAIT)
    first = take(any_store, "dies", lease=1)
    later(1)
    again = take(any_store, "me")
    assert (first.id, again.id) == (digest, digest)
    members = any_store.gather(digest, "me", LEASE)
    settle(any_store, again, Outcome.FAILED, error="away")
    third = take(any_store, "me")
    assert (third.id, third.attempts, third.fresh) == (digest, 1, False)
    assert any_store.gather(digest, "me", LEASE) == members
    settle(any_store, third, Outcome.DEAD, error="refused")
    assert states(any_store)[digest] == "dead"
    assert any_store.dead("retry", digest)
    assert any_store.gather(take(any_store, "me").id, "me", LEASE) == members


def test_who_is_left_out_is_skipped_and_counted_once(any_store: Store) -> None:
    """A member left out is skipped for its reason; the rest is told."""
    (digest, _, _) = grouped(any_store, "jam", "gig", "set")
    later(WAIT)
    delivery = take(any_store, "me")
    members = any_store.gather(digest, "me", LEASE)
    assert members is not None
    out = {members[0].id: "no_event"}
    for _ in range(2):
        now = any_store.gather(digest, "me", LEASE, out)
        assert now is not None
        assert [member.out for member in now] == ["no_event", "", ""]
    assert counter(any_store, "skips|no_event") == 1
    row = records(any_store)[members[0].id]
    assert (row.state, row.error) == ("skipped", "no_event")
    any_store.settle(digest, "me", "email", Outcome.SKIPPED, "suppressed", 0)
    assert counter(any_store, "skips|suppressed") == 2
    assert counter(any_store, "notifications|email|skipped") == 1
    assert delivery.id not in {one.id for one in any_store.take("me", LEASE, 10)}


def test_a_digest_is_bounded(any_store: Store) -> None:
    """A full digest is closed, and the next end begins another."""
    found = grouped(any_store, "a", "b", "c", "d", "e", wait=HOUR, most=2)
    assert found[0] == found[1] != found[2] == found[3] != found[4]


def test_joining_again_changes_nothing(any_store: Store) -> None:
    """A member that comes up by itself waits on, in its digest, once."""
    end(any_store, "jam")
    delivery = take(any_store, "me", lease=1)
    first = any_store.group(delivery.id, "me", "host", "email", HOUR)
    assert first is not None
    assert any_store.group(delivery.id, "me", "host", "email", HOUR) is None
    assert any_store.totals(0).deliveries["pending"] == 2
    assert any_store.group("none", "me", "host", "email", HOUR) is None


def test_a_delivery_that_was_attempted_waits_for_no_digest(any_store: Store) -> None:
    """What may have been told already is not told again in a digest."""
    (session,) = end(any_store, "jam")
    take(any_store, "dies")
    assert any_store.sending(session, "dies", 1, "email")
    again = take(any_store, "me")
    assert any_store.group(again.id, "me", "host", "email", HOUR) is None
    assert states(any_store) == {session: "retrying"}


def test_a_member_told_by_itself_is_not_told_with_its_digest(any_store: Store) -> None:
    """What became of a member elsewhere counts: its digest goes without it."""
    (digest, _) = grouped(any_store, "jam", "gig")
    session = next(row.id for row in records(any_store).values() if row.event_id == "gig")
    told = Kept("gig", session, 0, 0, state="sent", channel="email", attempts=1)
    any_store.put_back("", [told])
    later(WAIT)
    delivery = take(any_store, "me")
    members = any_store.gather(delivery.id, "me", LEASE)
    assert members is not None
    assert [member.event_id for member in members] == ["jam"]
    assert delivery.id == digest
    assert states(any_store)[session] == "sent"


def test_what_a_digest_told_is_put_back_where_the_store_lost_it(any_store: Store) -> None:
    """A digest and its members are known as told, and their ends are not told again."""
    told = [
        Kept("jam", "s1", 9_000, -9_000, state="sent", channel="email", delivery="digest-s1"),
        Kept("jam", "s1", 9_000, -9_000, state="digested", channel="email"),
        Kept("gig", "s2", 9_000, -9_000, state="digested", channel="hook", delivery="s2--hook"),
    ]
    assert any_store.put_back("", told) == 3
    assert any_store.put_back("web", [Kept("jam", "s1", 9_000, -9_000)]) == 0
    assert states(any_store) == {"digest-s1": "sent", "s1": "digested", "s2--hook": "digested"}
    assert set(any_store.still_owed([("jam", "s1"), ("gig", "s2")])) == set()


def test_nothing_waits_for_a_digest_that_was_told(any_store: Store) -> None:
    """A digest whose outcome came from elsewhere takes no more: who waits begins another."""
    (digest, _) = grouped(any_store, "jam", "gig", wait=HOUR)
    told, waits = (row.id for row in sorted(any_store.records(9), key=lambda r: r.due_at)[:2])
    whole = Kept("jam", told, 0, 0, state="sent", channel="email", attempts=1, delivery=digest)
    # Redis was emptied while a worker told it; "gig" was put back and waits since.
    any_store.put_back("", [whole, Kept("jam", told, 0, 0, state="digested", channel="email")])
    (other,) = grouped(any_store, "set", wait=HOUR)
    assert other != digest
    later(HOUR + STRAY_MS)
    taken = {one.id: one for one in any_store.take("me", LEASE, 10)}
    waiting = any_store.group(waits, "me", "host", "email", HOUR)
    assert waiting is not None
    assert taken[waits].fresh
    assert (waiting.id, waiting.made) == (other, False)
    members = any_store.gather(other, "me", LEASE)
    assert members is not None
    assert [member.event_id for member in members] == ["set", "gig"]


def test_twenty_threads_join_one_digest(any_store: Store) -> None:
    """Ends that are grouped at once, by many workers, are each in one digest, once."""
    end(any_store, *(f"jam{number}" for number in range(40)))
    barrier = Barrier(10)

    def join(number: int) -> set[str]:
        barrier.wait()
        found = set()
        while rows := any_store.take(str(number), LEASE, 2):
            for row in rows:
                waits = any_store.group(row.id, str(number), "host", "email", HOUR, 15)
                assert waits is not None
                found.add(waits.id)
        return found

    with ThreadPoolExecutor(10) as threads:
        digests = set.union(*threads.map(join, range(10)))
    assert len(digests) == 3
    later(HOUR)
    told: list[str] = []
    for digest in any_store.take("me", LEASE, 100):
        members = any_store.gather(digest.id, "me", LEASE) if digest.digest else None
        told.extend(member.id for member in members or ())
    assert len(told) == len(set(told)) == 40
    assert any_store.totals(0).deliveries["digested"] == 40


def test_a_member_whose_digest_is_late_comes_up_and_waits_on(any_store: Store) -> None:
    """A digest that could not be told yet keeps its members; they are no more than it overdue."""
    (digest, _) = grouped(any_store, "jam", "gig")
    later(WAIT)
    assert take(any_store, "me").id == digest
    any_store.settle(digest, "me", "email", Outcome.POSTPONED, "the event loader failed", HOUR)
    assert any_store.totals(0).overdue == 0
    later(STRAY_MS + 5_000)
    assert any_store.totals(0).overdue_by["pending"] == 3
    strays = any_store.take("me", LEASE, 10)
    assert {stray.event_id for stray in strays} == {"jam", "gig"}
    for stray in strays:
        waits = any_store.group(stray.id, "me", "host", "email", WAIT)
        assert waits is not None
        assert (waits.id, waits.made) == (digest, False)
    assert any_store.take("me", LEASE, 10) == []
    later(HOUR)
    members = None
    for delivery in any_store.take("me", LEASE, 10):
        if delivery.digest:
            members = any_store.gather(digest, "me", LEASE)
    assert members is not None
    assert len(members) == 2


def test_what_waits_for_a_digest_is_not_overdue(any_store: Store) -> None:
    """Neither an end nor its digest is overdue before the digest is."""
    grouped(any_store, "jam", "gig", wait=HOUR)
    later(HOUR - 1_000)
    totals = any_store.totals(0)
    assert (totals.overdue, totals.oldest) == (0, 0)
    later(7_000)
    totals = any_store.totals(0)
    assert totals.overdue == 3
    assert totals.oldest == pytest.approx(6, abs=1)
