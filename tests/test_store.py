"""Presence and ends, in both stores: what one does the other does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from flask_streamend.store.base import Change, Held
from flask_streamend.store.interface import Store

from .apps.store import LEASE, Web
from .servers import eventually

LONG = 1_000_000


def clients(store: Store, event: str) -> int:
    """Return an event's viewers, on which status and totals must agree."""
    (status,), totals = store.status([event]), store.totals(100)
    assert {b.event_id: b.clients for b in totals.busiest}.get(event, 0) == status.clients
    return status.clients


def passed(store: Store, instant: int) -> None:
    """Wait until the store's clock is past an instant."""
    eventually(lambda: store.look(None).now > instant, "the store's clock moved")


def test_the_first_viewer_begins_a_session(any_store: Store) -> None:
    """First in: live, with the session its holder would begin."""
    report = Web(any_store, "a").send({"jam": 2})
    (row,) = report.events
    assert (row.change, row.session, row.clients, row.due) == (
        *(Change.STARTED, "jam-by-a-1", 2),
        None,
    )
    (status,) = any_store.status(["jam"])
    assert (status.state, status.clients, status.peak) == ("live", 2, 2)
    assert status.session == "jam-by-a-1"
    assert status.started_at == pytest.approx(report.now / 1000, abs=0.05)
    assert list(any_store.event_ids()) == ["jam"]


def test_the_last_viewer_begins_the_grace(any_store: Store) -> None:
    """Last out: ending, due the delay after the report."""
    before = any_store.look(None).now
    web = Web(any_store, "a", LONG)
    web.set("jam", 2)
    assert web.set("jam", 1).change is Change.NONE
    row = web.set("jam", 0)
    after = any_store.look(None).now + 1
    assert row.change is Change.ENDING
    assert row.due is not None
    assert before + LONG <= row.due <= after + LONG
    (status,) = any_store.status(["jam"])
    assert (status.state, status.clients, status.due_at) == ("ending", 0, row.due / 1000)
    assert status.peak == 2


def test_a_return_resumes_the_session(any_store: Store) -> None:
    """A viewer who comes back in the grace resumes the same session, and it is counted."""
    first, second = Web(any_store, "a", LONG), Web(any_store, "b", LONG)
    session = first.set("jam", 1).session
    first.set("jam", 0)
    row = second.set("jam", 1)
    assert (row.change, row.session, row.due) == (Change.RESUMED, session, None)
    assert any_store.totals(0).counters["grace_periods|resumed"] == 1
    assert any_store.status(["jam"])[0].state == "live"
    assert any_store.next_try() is None


def test_two_holders_add_up_and_the_last_of_both_ends(any_store: Store) -> None:
    """Viewers of two processes add up, and only the very last one begins the grace."""
    first, second = Web(any_store, "a", LONG), Web(any_store, "b", LONG)
    first.set("jam", 2)
    assert second.set("jam", 3).clients == 5
    assert first.set("jam", 0).change is Change.NONE
    assert clients(any_store, "jam") == 3
    assert second.set("jam", 0).change is Change.ENDING


def test_a_number_is_set_and_not_added(any_store: Store) -> None:
    """Saying a number again changes nothing."""
    web = Web(any_store, "a")
    for _ in range(3):
        web.set("jam", 2)
    assert clients(any_store, "jam") == any_store.totals(0).clients == 2


def test_an_older_report_changes_nothing(any_store: Store) -> None:
    """A report with an older number than one seen is dropped, partial or full."""
    web = Web(any_store, "a")
    web.send({"jam": 2}, seq=7, full=True)
    for full in (False, True):
        late = web.send({"jam": 0, "gig": 1}, seq=6, full=full)
        assert (late.known, late.events) == (True, ())
    assert (clients(any_store, "jam"), clients(any_store, "gig")) == (2, 0)


def test_the_same_report_again_is_answered_and_harmless(any_store: Store) -> None:
    """A repeat, its answer lost, is answered and begins no second grace."""
    web = Web(any_store, "a", LONG)
    web.send({"jam": 1}, seq=1)
    (first,) = web.send({"jam": 0}, seq=2).events
    (again,) = web.send({"jam": 0}, seq=2).events
    assert (again.change, again.due, again.session) == (Change.NONE, first.due, first.session)
    assert any_store.totals(0).counters["sessions_begun"] == 1


def test_an_unknown_holder_is_asked_for_a_full_report(any_store: Store) -> None:
    """A partial report of a holder that is not known does nothing and says so."""
    held = {"jam": Held(1, "s1", 0)}
    report = any_store.report("a", 2, LEASE, held, full=False)
    assert (report.known, report.events) == (False, ())
    assert any_store.status(["jam"])[0].state == "idle"
    assert any_store.report("a", 3, LEASE, held, full=True).known
    assert clients(any_store, "jam") == 1


def test_a_full_report_names_all_there_is(any_store: Store) -> None:
    """What a full report leaves out its holder has no more; other holders keep theirs."""
    web, other = Web(any_store, "a", LONG), Web(any_store, "b", LONG)
    web.send({"jam": 2, "set": 1, "gig": 3})
    other.set("set", 1)
    rows = {row.event_id: row for row in web.send({"gig": 1}, full=True).events}
    assert rows["jam"].change is Change.ENDING
    assert rows["set"].change is Change.NONE
    assert [clients(any_store, event) for event in ("jam", "set", "gig")] == [0, 1, 1]


def test_who_came_and_went_between_two_reports_was_there(any_store: Store) -> None:
    """A visit between two reports begins a session and ends it; in the grace it moves the end."""
    held = {"jam": Held(0, "s1", LONG, most=3)}
    rows = any_store.report("a", 1, LEASE, held, full=True).events
    assert [row.change for row in rows] == [Change.STARTED, Change.ENDING]
    (status,) = any_store.status(["jam"])
    assert (status.state, status.clients, status.peak) == ("ending", 0, 3)
    passed(any_store, any_store.look(None).now + 1)
    rows = any_store.report("a", 2, LEASE, held, full=False).events
    assert [row.change for row in rows] == [Change.RESUMED, Change.ENDING]
    moved = rows[1].due
    assert moved is not None
    assert status.due_at is not None
    assert moved > status.due_at * 1000


def test_nothing_ends_before_its_instant(any_store: Store) -> None:
    """An end can be claimed from its due instant on, on the store's clock, and not before."""
    web = Web(any_store, "a", 300)
    web.set("jam", 1)
    due = web.set("jam", 0).due
    assert due is not None
    early, ended = 0, any_store.claim(10)
    while not ended:
        now = any_store.look(None).now
        early += now < due
        ended = any_store.claim(10)
        assert not (ended and now >= due + 60_000)
    assert early > 0
    assert any_store.look(None).now >= due
    (end,) = ended
    assert (end.event_id, end.due, end.peak, end.clients) == ("jam", due, 1, 0)
    assert any_store.status(["jam"])[0].state == "idle"
    assert any_store.totals(0).counters["grace_periods|ended"] == 1


def test_a_later_report_changes_the_delay(any_store: Store) -> None:
    """The grace period is the one that was reported last; -1 says nothing about it."""
    any_store.report("a", 1, LEASE, {"jam": Held(1, "s1", 5)}, full=True)
    any_store.report("a", 2, LEASE, {"jam": Held(2, "s1", LONG)}, full=False)
    report = any_store.report("a", 3, LEASE, {"jam": Held(0, "s1", -1)}, full=False)
    (row,) = report.events
    assert row.due is not None
    assert row.due == pytest.approx(report.now + LONG, abs=1)


def test_a_delay_of_nothing_is_due_at_once(any_store: Store) -> None:
    """With a delay of 0 an end can be claimed right after the last one left."""
    Web(any_store, "a", 0).visit("jam")
    assert eventually(lambda: any_store.claim(10), "the end")[0].event_id == "jam"


def test_each_end_is_claimed_by_one_of_twenty(any_store: Store) -> None:
    """Twenty threads that claim at once get each end once between them."""
    events = [f"jam{number}" for number in range(100)]
    Web(any_store, "a").visit(*events)
    passed(any_store, any_store.look(None).now + 1)
    barrier = Barrier(20)

    def claim(_: int) -> list[str]:
        barrier.wait()
        found: list[str] = []
        while ended := any_store.claim(7):
            found += [end.event_id for end in ended]
        return found

    with ThreadPoolExecutor(20) as threads:
        got = [event for found in threads.map(claim, range(20)) for event in found]
    assert sorted(got) == sorted(events)
    assert len(any_store.records(1000)) == 100


def test_a_claim_takes_no_more_than_its_limit_earliest_first(any_store: Store) -> None:
    """A claim takes what has been due longest, up to its limit."""
    web = Web(any_store, "a")
    for event in ("first", "second", "third"):
        web.visit(event)
        passed(any_store, any_store.look(None).now + 1)
    assert [end.event_id for end in any_store.claim(2)] == ["first", "second"]
    assert [end.event_id for end in any_store.claim(2)] == ["third"]
    assert any_store.claim(2) == []


def test_a_viewer_after_the_end_begins_another_session(any_store: Store) -> None:
    """A session that was claimed is over: the next viewer begins another."""
    web = Web(any_store, "a")
    web.visit("jam")
    eventually(lambda: any_store.claim(1), "the end")
    row = web.set("jam", 1)
    assert row.change is Change.STARTED
    assert row.session == f"jam-by-a-{web.seq}"


def test_an_alarm_sees_what_is_ready_and_what_waits(any_store: Store) -> None:
    """A look tells what is ready, and whether something is due at exactly the alarm's instant."""
    web = Web(any_store, "a", LONG)
    web.set("jam", 1)
    due = web.set("jam", 0).due
    assert due is not None
    look = any_store.look(due)
    assert (look.ready, look.waiting) == (0, True)
    assert not any_store.look(due + 1).waiting
    assert not any_store.look(None).waiting
    wait = any_store.next_try()
    assert wait is not None
    assert 0 < wait <= LONG + 1
    Web(any_store, "b", 0).visit("gig")
    eventually(lambda: any_store.look(None).ready == 1, "the other end is ready")
    assert any_store.next_try() == 0
    any_store.claim(1)
    assert any_store.look(None).ready == 1, "its delivery is ready now"
