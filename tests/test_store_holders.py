"""Processes, guests and orders from outside, in both stores."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from flask_streamend.store.base import Change, Held, Over
from flask_streamend.store.interface import Store

from .apps.store import LEASE, Web
from .servers import eventually

LONG = 1_000_000


def lapse(store: Store, holder: str) -> None:
    """Have a holder's lease lapse."""
    store.heartbeat(holder, 1, 0)
    eventually(lambda: holder in store.heartbeat("", 0, 0).lapsed, f"{holder}'s lease lapsed")


def state(store: Store, event: str = "jam") -> tuple[str, int]:
    """Return an event's state and viewers."""
    (status,) = store.status([event])
    return status.state, status.clients


def agree(store: Store) -> None:
    """Check that the totals are what the events add up to."""
    ids, totals = list(store.event_ids()), store.totals(1000)
    statuses = store.status(ids)
    assert totals.clients == sum(status.clients for status in statuses)
    assert totals.live == sum(status.state == "live" for status in statuses)
    assert totals.ending == sum(status.state == "ending" for status in statuses)
    assert {b.event_id: b.clients for b in totals.busiest} == {
        status.event_id: status.clients for status in statuses
    }


def guest(
    store: Store, act: str, name: str, ttl: int = LONG, event: str = "jam", session: str = "g1"
) -> Change:
    """Note what a guest does and return what it changed."""
    delay = -1 if act == "expire" else LONG
    (row,) = store.guest(act, event, name, ttl, session, delay).events  # type: ignore[arg-type]
    return row.change


def test_a_beat_knows_who_holds(any_store: Store) -> None:
    """A heartbeat says whether the store knows the holder, the time, and all viewers."""
    web = Web(any_store, "a")
    assert not any_store.heartbeat("a", LEASE, 0).known
    web.send({"jam": 2, "gig": 3})
    beat = any_store.heartbeat("a", LEASE, 0)
    assert (beat.known, beat.clients, beat.lapsed, beat.over, beat.expired, beat.ring) == (
        *(True, 5, (), (), ()),
        False,
    )
    other = any_store.heartbeat("", 0, 0)
    assert (other.known, other.clients) == (False, 5)


def test_a_beat_names_who_lapsed_and_a_beat_in_time_keeps_a_lease(any_store: Store) -> None:
    """Only a holder whose lease lapsed is named; one that beats is not."""
    Web(any_store, "a").set("jam", 1)
    Web(any_store, "b").set("jam", 1)
    lapse(any_store, "b")
    assert any_store.heartbeat("a", LEASE, 0).lapsed == ("b",)
    any_store.heartbeat("b", LEASE, 0)
    assert any_store.heartbeat("a", LEASE, 0).lapsed == ()


def test_a_beat_tells_what_was_stopped_since(any_store: Store) -> None:
    """Sessions stopped or purged since the last beat are told, and not those before."""
    web = Web(any_store, "a")
    web.send({"jam": 1, "gig": 1})
    jam, gig = (status.session for status in any_store.status(["jam", "gig"]))
    assert jam is not None
    assert gig is not None
    any_store.finish("jam", Change.STOPPED)
    first = any_store.heartbeat("a", LEASE, 0)
    assert first.over == (Over("jam", jam, Change.STOPPED),)
    eventually(lambda: any_store.look(None).now > first.now + 2, "time passed")
    since = any_store.look(None).now
    any_store.finish("gig", Change.PURGED)
    assert any_store.heartbeat("a", LEASE, since).over == (Over("gig", gig, Change.PURGED),)


def test_who_beats_seldom_does_not_hide_that_processes_were_silent(any_store: Store) -> None:
    """A worker's beats do not make up for those of a process with a short lease, which may live.

    That process was not heard for longer than it said: before it is let go of, there is a gap.
    """
    any_store.report("a", 1, 1000, {"jam": Held(1, "s1", 0, 1)}, full=True, quiet=500)

    def beat() -> bool:
        lapsed = any_store.heartbeat("", 1000, 0, quiet=4500).lapsed
        return bool(lapsed or any_store.totals(0).gap)

    eventually(beat, "something is noticed")
    assert any_store.totals(0).gap
    eventually(
        lambda: any_store.heartbeat("", 1000, 0, quiet=4500).lapsed == ("a",), "it is let go"
    )


def test_one_of_many_is_asked_to_ring_for_what_nobody_heard(any_store: Store) -> None:
    """What has been ready for a while is rung for by one of those who beat, not by all."""
    Web(any_store, "a").visit("jam")
    rings = eventually(
        lambda: sum(any_store.heartbeat("", 0, 0).ring for _ in range(20)), "somebody is asked"
    )
    with ThreadPoolExecutor(10) as threads:
        rings += sum(threads.map(lambda _: any_store.heartbeat("", 0, 0).ring, range(50)))
    assert rings == 1


def test_one_of_many_sets_the_watching_alarm_and_all_remove_it(any_store: Store) -> None:
    """The first to beat while something is on is asked to set it; then nobody, till all is over.

    Then everybody is asked to remove it: an answer may be lost.
    """
    web = Web(any_store, "a")
    web.send({"jam": 1})
    beats = [any_store.heartbeat(holder, LEASE, 0).watch for holder in ("a", "", "a")]
    assert beats == [True, None, None]
    any_store.finish("jam", Change.PURGED)
    beats = [any_store.heartbeat(holder, LEASE, 0).watch for holder in ("a", "")]
    assert beats == [False, False]
    web.send({"jam": 1})
    assert any_store.heartbeat("a", LEASE, 0).watch


def test_a_dead_holder_s_viewers_are_removed(any_store: Store) -> None:
    """Reaping removes what a lapsed holder held, and the last viewer's grace begins."""
    Web(any_store, "a", LONG).send({"jam": 2, "gig": 1})
    Web(any_store, "b", LONG).set("gig", 1)
    assert any_store.reap("a").events == ()
    assert state(any_store) == ("live", 2), "a living holder keeps what it has"
    lapse(any_store, "a")
    rows = {row.event_id: row for row in any_store.reap("a").events}
    assert rows["jam"].change is Change.ENDING
    assert (rows["gig"].change, rows["gig"].clients) == (Change.NONE, 1)
    assert any_store.heartbeat("", 0, 0).lapsed == ()
    assert any_store.reap("a").events == ()
    agree(any_store)


def test_a_goodbye_needs_no_lapse(any_store: Store) -> None:
    """A holder that says goodbye is removed with its lease still good."""
    Web(any_store, "a", LONG).set("jam", 2)
    (row,) = any_store.reap("a", goodbye=True).events
    assert (row.change, row.clients) == (Change.ENDING, 0)
    assert not any_store.heartbeat("a", LEASE, 0).known


def test_a_late_word_of_the_dead_is_ignored_until_it_is_full(any_store: Store) -> None:
    """A reaped holder's late report does nothing; a full one counts it again, in the session."""
    web = Web(any_store, "a", LONG)
    session = web.set("jam", 2).session
    lapse(any_store, "a")
    any_store.reap("a")
    assert not web.send({"jam": 1}).known
    assert state(any_store) == ("ending", 0)
    (row,) = web.send({"jam": 2}, full=True).events
    assert (row.change, row.session, row.clients) == (Change.RESUMED, session, 2)
    agree(any_store)


def test_a_report_held_up_on_its_way_brings_nobody_back(any_store: Store) -> None:
    """A full report from before a goodbye, or a repeat of the last one, counts nobody again."""
    web = Web(any_store, "a")
    web.send({"jam": 2}, seq=3, full=True)
    any_store.reap("a", goodbye=True)
    for seq in (2, 3):
        assert web.send({"jam": 2}, seq=seq, full=True).events == ()
    assert state(any_store)[1] == 0
    assert web.send({"jam": 1}, seq=4, full=True).events
    assert state(any_store) == ("live", 1)
    agree(any_store)


def test_a_guest_counts_once_however_often_it_comes(any_store: Store) -> None:
    """A guest who joins twice is one viewer, and who leaves twice is gone once."""
    assert guest(any_store, "join", "ann") is Change.STARTED
    assert guest(any_store, "join", "ann", session="g2") is Change.NONE
    guest(any_store, "join", "bob")
    assert state(any_store) == ("live", 2)
    assert guest(any_store, "leave", "ann") is Change.NONE
    assert guest(any_store, "leave", "ann") is Change.NONE
    assert guest(any_store, "leave", "nobody") is Change.NONE
    assert state(any_store) == ("live", 1)
    assert guest(any_store, "leave", "bob") is Change.ENDING
    assert guest(any_store, "join", "bob") is Change.RESUMED
    agree(any_store)


def test_guests_and_sockets_add_up(any_store: Store) -> None:
    """A guest keeps an event live whose last socket is gone, and the other way round."""
    web = Web(any_store, "a", LONG)
    web.set("jam", 2)
    guest(any_store, "join", "ann")
    assert state(any_store) == ("live", 3)
    assert web.set("jam", 0).change is Change.NONE
    assert guest(any_store, "leave", "ann") is Change.ENDING


def test_a_guest_goes_by_itself(any_store: Store) -> None:
    """A guest whose time is up is named at the next beat, and expiring begins the grace."""
    guest(any_store, "join", "ann", ttl=50)
    guest(any_store, "join", "bob", event="gig")
    eventually(lambda: any_store.heartbeat("", 0, 0).expired == ("jam",), "ann's time is up")
    assert state(any_store) == ("live", 1), "counted until it is expired"
    assert guest(any_store, "expire", "", 0, session="") is Change.ENDING
    assert guest(any_store, "expire", "", 0, event="gig", session="") is Change.NONE
    assert any_store.heartbeat("", 0, 0).expired == ()
    assert state(any_store, "gig") == ("live", 1)
    agree(any_store)


def test_being_seen_lengthens_and_never_shortens(any_store: Store) -> None:
    """A guest is there until the latest of the times it was noted for."""
    guest(any_store, "join", "ann", ttl=LONG)
    guest(any_store, "join", "ann", ttl=1)
    guest(any_store, "join", "bob", ttl=1)
    guest(any_store, "join", "bob", ttl=LONG)
    now = any_store.look(None).now
    eventually(lambda: any_store.look(None).now > now + 5, "the short times are over")
    guest(any_store, "expire", "", 0, session="")
    assert state(any_store) == ("live", 2)


def test_a_scheduled_end_needs_nobody(any_store: Store) -> None:
    """An end can be scheduled for an event nobody ever watched; scheduling again moves it."""
    (row,) = any_store.schedule("jam", "s1", LONG).events
    assert (row.change, row.session, row.clients) == (Change.ENDING, "s1", 0)
    (again,) = any_store.schedule("jam", "s2", 0).events
    assert again.session == "s1"
    assert row.due is not None
    assert again.due is not None
    assert again.due < row.due
    (end,) = eventually(lambda: any_store.claim(10), "the end")
    assert (end.session, end.peak, end.due) == ("s1", 0, again.due)
    assert any_store.totals(0).counters["sessions_begun"] == 1


def test_a_viewer_cancels_a_scheduled_end(any_store: Store) -> None:
    """With somebody there an end is not scheduled, and who comes cancels one that was."""
    any_store.schedule("jam", "s1", 60)
    web = Web(any_store, "a", LONG)
    assert web.set("jam", 1).change is Change.RESUMED
    (row,) = any_store.schedule("jam", "s2", 0).events
    assert (row.change, row.due, row.session, row.clients) == (Change.NONE, None, "s1", 1)
    assert any_store.next_try() is None


def test_a_stopped_event_ends_with_viewers(any_store: Store) -> None:
    """Stopping ends the session now, with all that any holder or guest has of it."""
    Web(any_store, "a").send({"jam": 2, "gig": 1})
    Web(any_store, "b").set("jam", 3)
    guest(any_store, "join", "ann")
    before = any_store.look(None).now
    ended = any_store.finish("jam", Change.STOPPED)
    assert ended is not None
    assert (ended.session, ended.clients, ended.peak) == ("jam-by-a-1", 6, 6)
    assert before <= ended.due <= any_store.look(None).now
    assert state(any_store) == ("idle", 0)
    (delivery,) = any_store.take("me", LEASE, 10)
    assert (delivery.session, delivery.clients) == (ended.session, 6)
    assert any_store.finish("jam", Change.STOPPED) is None
    agree(any_store)
    assert any_store.totals(0).clients == 1


def test_a_stop_of_what_is_over_changes_no_instant(any_store: Store) -> None:
    """Its grace period is over, and nobody has claimed it yet: it ended then."""
    web = Web(any_store, "web")
    web.set("jam", 1)
    row = web.set("jam", 0)
    eventually(lambda: any_store.look(None).now > (row.due or 0), "its grace period is over")
    ended = any_store.finish("jam", Change.STOPPED)
    assert ended is not None
    assert ended.due == row.due


def test_who_reports_a_stopped_session_opens_none(any_store: Store) -> None:
    """A holder that goes on with a stopped session is told so, and nothing begins."""
    web, other = Web(any_store, "a"), Web(any_store, "b")
    web.set("jam", 2)
    any_store.finish("jam", Change.STOPPED)
    held = {"jam": Held(2, "jam-by-a-1", 0)}
    for seq, full in ((5, False), (6, True)):
        (row,) = any_store.report("a", seq, LEASE, held, full).events
        assert (row.change, row.clients) == (Change.STOPPED, 0)
    assert state(any_store) == ("idle", 0)
    assert other.set("jam", 1).change is Change.STARTED
    (row,) = any_store.report("a", 7, LEASE, held, False).events
    assert (row.change, state(any_store)) == (Change.STOPPED, ("live", 1))
    agree(any_store)


def test_a_purged_event_is_told_to_nobody_and_counted_anew(any_store: Store) -> None:
    """Purging makes no delivery; who still reports the session is asked to begin another."""
    Web(any_store, "dead").set("jam", 3)
    web = Web(any_store, "a")
    web.set("jam", 2)
    purged = any_store.finish("jam", Change.PURGED)
    assert purged is not None
    assert (purged.clients, purged.session) == (5, "jam-by-dead-1")
    assert any_store.records(10) == []
    assert any_store.totals(0).counters["sessions_purged"] == 1
    held = {"jam": Held(2, purged.session, 0)}
    (row,) = any_store.report("a", 5, LEASE, held, False).events
    assert (row.change, row.clients, state(any_store)) == (Change.PURGED, 0, ("idle", 0))
    (row,) = any_store.report("a", 6, LEASE, {"jam": Held(2, "new", 0)}, False).events
    assert (row.change, row.session, row.clients) == (Change.STARTED, "new", 2)
    agree(any_store)


def test_nothing_is_finished_where_nothing_is(any_store: Store) -> None:
    """An event without a session can be neither stopped nor purged; one in its grace can."""
    assert any_store.finish("jam", Change.STOPPED) is None
    assert any_store.finish("jam", Change.PURGED) is None
    web = Web(any_store, "a", LONG)
    web.visit("jam", "gig")
    stopped = any_store.finish("jam", Change.STOPPED)
    assert stopped is not None
    assert stopped.clients == 0
    assert any_store.finish("gig", Change.PURGED) is not None
    assert any_store.claim(10) == []
    agree(any_store)
