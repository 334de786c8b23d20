"""The ledger, in both stores: leases, attempts, outcomes, what is kept and shown."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from flask_streamend.store import memory_ledger
from flask_streamend.store import redis_ledger as redis_store
from flask_streamend.store.base import Outcome, Record
from flask_streamend.store.histograms import HISTOGRAMS
from flask_streamend.store.interface import Store

from .apps.store import LEASE, end, take
from .servers import eventually

HOUR = 3_600_000


def counters(store: Store) -> dict[str, int]:
    """Return the counters that are not 0."""
    return {field: value for field, value in store.totals(0).counters.items() if value}


def record(store: Store, delivery: str) -> Record:
    """Return a delivery's record."""
    (found,) = (record for record in store.records(1000) if record.id == delivery)
    return found


def attempt(
    store: Store, outcome: Outcome, error: str = "", retry: int = 0, owner: str = "me"
) -> tuple[str, int]:
    """Take one delivery, attempt and settle it; return its id and how late it was."""
    delivery = take(store, owner).id
    assert store.sending(delivery, owner, LEASE)
    return delivery, store.settle(delivery, owner, "email", outcome, error, retry)


def test_an_end_becomes_a_delivery(any_store: Store) -> None:
    """A claimed end stands in the ledger, pending, under its session's id."""
    (session,) = end(any_store, "jam")
    (row,) = any_store.records(10)
    assert (row.id, row.event_id, row.session) == (session, "jam", session)
    assert (row.state, row.attempts, row.channel, row.error) == ("pending", 0, "", "")
    assert row.next_at is not None
    assert row.settled_at is None
    assert counters(any_store)["deliveries_made"] == counters(any_store)["sessions_ended"] == 1


def test_what_one_took_another_does_not_get(any_store: Store) -> None:
    """A delivery is leased to one owner until the lease lapses, and then to the next."""
    (session,) = end(any_store, "jam")
    mine = take(any_store, "one", lease=150)
    assert (mine.id, mine.event_id, mine.session, mine.attempts) == (session, "jam", session, 0)
    assert any_store.take("two", LEASE, 10) == []
    assert take(any_store, "two") == mine


def test_twenty_takers_share_out_what_is_there(any_store: Store) -> None:
    """Threads that take at once get each delivery once between them."""
    made = end(any_store, *(f"jam{number}" for number in range(60)))
    barrier = Barrier(20)

    def taken(owner: int) -> list[str]:
        barrier.wait()
        found: list[str] = []
        while rows := any_store.take(str(owner), LEASE, 2):
            found += [row.id for row in rows]
        return found

    with ThreadPoolExecutor(20) as threads:
        got = [id_ for found in threads.map(taken, range(20)) for id_ in found]
    assert sorted(got) == sorted(made)


def test_who_lost_the_lease_neither_sends_nor_settles(any_store: Store) -> None:
    """After its lease has lapsed an owner is told not to send, and its word counts for nothing."""
    end(any_store, "jam")
    delivery = take(any_store, "slow", lease=1).id
    eventually(lambda: not any_store.sending(delivery, "slow", 1), "the lease lapsed")
    take(any_store, "quick")
    assert not any_store.sending(delivery, "slow", LEASE)
    assert any_store.settle(delivery, "slow", "email", Outcome.SENT, "", 0) == -1
    assert any_store.sending(delivery, "quick", LEASE)
    assert record(any_store, delivery).state == "sending"


def test_nobody_sends_or_settles_what_is_not_there(any_store: Store) -> None:
    """A delivery that was never made, or is settled, can't be sent and not settled again."""
    assert not any_store.sending("none", "me", LEASE)
    assert any_store.settle("none", "me", "email", Outcome.SENT, "", 0) == -1
    end(any_store, "jam")
    delivery, _ = attempt(any_store, Outcome.SENT)
    assert not any_store.sending(delivery, "me", LEASE)
    assert any_store.settle(delivery, "me", "email", Outcome.SENT, "", 0) == -1
    assert counters(any_store)["notifications|email|sent"] == 1


def test_a_sent_notice_is_settled_and_timed(any_store: Store) -> None:
    """Sent: settled, counted, and its latency in exactly one bucket."""
    end(any_store, "jam")
    delivery, late = attempt(any_store, Outcome.SENT)
    row = record(any_store, delivery)
    assert (row.state, row.attempts, row.channel, row.next_at) == ("sent", 1, "email", None)
    assert row.settled_at == pytest.approx(row.due_at + late / 1000, abs=0.002)
    found = counters(any_store)
    assert found["notifications|email|sent"] == 1
    assert "notifications|email|repeated" not in found
    assert found["notification_latency|email|count"] == 1
    assert found.get("notification_latency|email|sum", 0) == late
    buckets = [
        b for b in HISTOGRAMS["notification_latency"] if f"notification_latency|email|{b}" in found
    ]
    assert buckets == [min(b for b in HISTOGRAMS["notification_latency"] if b >= late)]


def test_a_skipped_notice_is_settled_with_its_reason(any_store: Store) -> None:
    """Skipped: settled with no attempt, counted by its reason."""
    end(any_store, "jam")
    delivery = take(any_store, "me").id
    any_store.settle(delivery, "me", "email", Outcome.SKIPPED, "no_address", 0)
    row = record(any_store, delivery)
    assert (row.state, row.attempts, row.error) == ("skipped", 0, "no_address")
    found = counters(any_store)
    assert (found["skips|no_address"], found["notifications|email|skipped"]) == (1, 1)
    assert any_store.next_try() is None


def test_a_failed_attempt_comes_up_again_after_its_wait(any_store: Store) -> None:
    """Failed: retrying, ready again after the wait, and then sent with no repeat counted."""
    end(any_store, "jam")
    delivery, _ = attempt(any_store, Outcome.FAILED, "OSError: refused", retry=HOUR)
    row = record(any_store, delivery)
    assert (row.state, row.attempts, row.error) == ("retrying", 1, "OSError: refused")
    assert row.settled_at is None
    wait = any_store.next_try()
    assert wait is not None
    assert HOUR - 60_000 < wait <= HOUR
    assert any_store.take("me", LEASE, 1) == []
    end(any_store, "gig")
    attempt(any_store, Outcome.FAILED, retry=0)
    again = take(any_store, "me")
    assert (again.event_id, again.attempts) == ("gig", 1)
    assert any_store.sending(again.id, "me", LEASE)
    any_store.settle(again.id, "me", "email", Outcome.SENT, "", 0)
    found = counters(any_store)
    assert (found["notifications|email|failed"], found["notifications|email|sent"]) == (2, 1)
    assert "notifications|email|repeated" not in found


def test_a_dead_letter_stays_dead(any_store: Store) -> None:
    """Dead: settled, counted among the dead letters, never ready again."""
    end(any_store, "jam")
    delivery, _ = attempt(any_store, Outcome.DEAD, "550 no such user")
    assert record(any_store, delivery).state == "dead"
    totals = any_store.totals(0)
    assert (totals.dead, totals.counters["notifications|email|dead"]) == (1, 1)
    assert any_store.next_try() is None


def test_a_postponed_delivery_counts_no_attempt(any_store: Store) -> None:
    """Postponed: still pending, tried again later, and counted nowhere."""
    end(any_store, "jam")
    delivery = take(any_store, "me").id
    any_store.settle(delivery, "me", "email", Outcome.POSTPONED, "the loader failed", HOUR)
    row = record(any_store, delivery)
    assert (row.state, row.attempts) == ("pending", 0)
    assert not [field for field in counters(any_store) if field.startswith("notif")]
    wait = any_store.next_try()
    assert wait is not None
    assert wait > HOUR - 60_000


def test_a_notice_whose_sender_died_while_sending_counts_as_repeated(any_store: Store) -> None:
    """Who took up what was being sent may repeat it; that is counted when it is sent."""
    end(any_store, "jam")
    delivery = take(any_store, "dies").id
    assert any_store.sending(delivery, "dies", 1)
    again = take(any_store, "next")
    assert (again.id, again.attempts) == (delivery, 1)
    assert record(any_store, delivery).state == "retrying"
    assert any_store.sending(delivery, "next", LEASE)
    any_store.settle(delivery, "next", "email", Outcome.SENT, "", 0)
    found = counters(any_store)
    assert (found["notifications|email|sent"], found["notifications|email|repeated"]) == (1, 1)


def test_records_are_the_open_ones_then_the_settled_newest_first(any_store: Store) -> None:
    """The ledger is shown open deliveries first, the next to be tried first, up to a limit."""
    for number, retry in enumerate((HOUR, HOUR // 2)):
        end(any_store, f"open{number}")
        attempt(any_store, Outcome.FAILED, retry=retry)
    for event in ("old", "new"):
        end(any_store, event)
        attempt(any_store, Outcome.SENT)
        now = any_store.look(None).now
        eventually(lambda now=now: any_store.look(None).now > now, "time passed")  # type: ignore[misc]
    assert [row.event_id for row in any_store.records(10)] == ["open1", "open0", "new", "old"]
    assert [row.event_id for row in any_store.records(3)] == ["open1", "open0", "new"]
    assert [row.event_id for row in any_store.records(1)] == ["open1"]


def test_the_ledger_keeps_a_bounded_number(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of settled deliveries the newest are kept, and dead ones that go are dead no more."""
    monkeypatch.setattr(redis_store, "KEEP_COUNT", 3)
    monkeypatch.setattr(memory_ledger, "KEEP_COUNT", 3)
    for number in range(6):
        end(any_store, f"jam{number}")
        attempt(any_store, Outcome.DEAD if number < 4 else Outcome.SENT)
    assert {row.event_id for row in any_store.records(10)} == {"jam3", "jam4", "jam5"}
    assert any_store.totals(0).dead == 1


def test_the_ledger_keeps_for_a_bounded_time(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A settled delivery is kept for some time; an open one for as long as it is open."""
    monkeypatch.setattr(redis_store, "KEEP_MS", 1)
    monkeypatch.setattr(memory_ledger, "KEEP_MS", 1)
    end(any_store, "open")
    attempt(any_store, Outcome.FAILED, retry=HOUR)
    for event in ("old", "new"):
        end(any_store, event)
        attempt(any_store, Outcome.SENT)
    assert {row.event_id for row in any_store.records(10)} >= {"open", "new"}
    assert "old" not in {row.event_id for row in any_store.records(10)}


def test_a_notice_is_overdue_while_it_is_not_accepted(any_store: Store) -> None:
    """Nothing is overdue at once; counters added by hand are read back."""
    end(any_store, "jam")
    assert any_store.totals(0).overdue == 0
    any_store.add({"errors|hook": 2})
    any_store.add({"errors|hook": 1})
    assert counters(any_store)["errors|hook"] == 3


def test_a_problem_is_noted_once_and_can_go(any_store: Store) -> None:
    """A problem keeps the time it was first noted at, until it is gone."""
    any_store.note_problem("worker-app", True)
    first = any_store.totals(0).problems["worker-app"]
    any_store.note_problem("worker-app", True)
    assert any_store.totals(0).problems == {"worker-app": first}
    assert first == pytest.approx(any_store.look(None).now / 1000, abs=60)
    any_store.note_problem("worker-app", False)
    assert any_store.totals(0).problems == {}
