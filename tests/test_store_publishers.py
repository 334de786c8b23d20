"""Publishers, and ins and outs that overtake each other, in both stores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from flask_streamend.store.base import Cause, Change, GuestAct, Held, Kept, Over, Reported
from flask_streamend.store.interface import Store
from flask_streamend.store.memory import MemoryStore
from flask_streamend.store.redis import RedisStore

from .apps.store import LEASE, Web
from .servers import eventually
from .test_store_holders import LONG, agree, state


@pytest.fixture(params=["redis", "memory"])
def by_publisher(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Return each store in turn, where that viewers left is no end."""
    if request.param == "memory":
        yield MemoryStore(by_viewers=False)
        return
    with Redis.from_url(request.getfixturevalue("redis_url")) as client:
        yield RedisStore(client, "test", by_viewers=False)


def act(
    store: Store,
    what: GuestAct,
    name: str = "enc",
    delay: int = LONG,
    keeps: bool = False,
    ttl: int = LONG,
) -> Reported:
    """Note what a viewer by name, or a publisher, does."""
    (row,) = store.guest(what, "jam", name, ttl, f"by-{name}", delay, "", keeps).events
    return row


def end(store: Store) -> list[tuple[str, int]]:
    """Wait for an end, and return each with the viewers who were there."""
    ended = eventually(lambda: store.claim(10), "something ends")
    return [(one.session, one.clients) for one in ended]


def test_a_publisher_begins_a_session_and_is_no_viewer(any_store: Store) -> None:
    """It is live with nobody; a repeat, and a viewer, change nothing of that."""
    row = act(any_store, "publish")
    assert (row.change, row.session, row.clients) == (Change.STARTED, "by-enc", 0)
    assert act(any_store, "publish").change is Change.NONE
    assert act(any_store, "in", "ann").session == "by-enc"
    assert state(any_store) == ("live", 1)
    agree(any_store)


def test_the_last_publisher_s_stop_begins_the_grace(any_store: Store) -> None:
    """An encoder that connects anew before its old connection is gone has not stopped."""
    act(any_store, "publish")
    act(any_store, "publish", "again")
    assert act(any_store, "unpublish").change is Change.NONE
    row = act(any_store, "unpublish", "again")
    assert (row.change, state(any_store)[0]) == (Change.ENDING, "ending")
    assert row.due is not None
    assert act(any_store, "unpublish", "again").due == row.due
    back = act(any_store, "publish")
    assert (back.change, back.session, back.due) == (Change.RESUMED, "by-enc", None)


def test_viewers_do_not_move_a_publisher_s_end(any_store: Store) -> None:
    """Whoever comes, stays or leaves after the stop, it is due when it was."""
    web = Web(any_store, "a", LONG)
    web.set("jam", 2)
    act(any_store, "publish")
    due = act(any_store, "unpublish").due
    for count in (3, 0, 1):
        assert web.set("jam", count).due == due
    assert act(any_store, "in", "ann").due == due
    assert act(any_store, "out", "ann").due == due
    assert state(any_store) == ("ending", 1)
    agree(any_store)


def test_a_publisher_s_end_takes_its_viewers(any_store: Store) -> None:
    """The delivery says how many were there, and processes learn that it was stopped."""
    web = Web(any_store, "a")
    session = web.set("jam", 2).session
    act(any_store, "in", "ann")
    act(any_store, "publish")
    due = act(any_store, "unpublish", delay=0).due
    ended = eventually(lambda: any_store.claim(10), "it ends")
    assert [(e.session, e.clients, e.due) for e in ended] == [(session, 3, due)]
    assert state(any_store) == ("idle", 0)
    beat = any_store.heartbeat("a", LEASE, 0)
    assert Over("jam", session, Change.STOPPED) in beat.over
    (row,) = any_store.report("a", 9, LEASE, {"jam": Held(2, session, 0)}, False).events
    assert row.change is Change.STOPPED
    assert any_store.totals(0).counters["grace_periods|ended"] == 1
    assert any_store.claim(10) == []
    agree(any_store)


def test_a_publisher_who_comes_back_in_the_last_moment_is_in_time(any_store: Store) -> None:
    """Between the claim and the end of it nobody ends what goes on again."""
    act(any_store, "in", "ann")
    act(any_store, "publish")
    act(any_store, "unpublish", delay=0)
    act(any_store, "publish")
    assert any_store.finish("jam", Change.STOPPED, when_due=True) is None
    act(any_store, "unpublish")
    assert any_store.finish("jam", Change.STOPPED, when_due=True) is None, "not due yet"
    assert state(any_store) == ("ending", 1)


def test_a_session_that_is_kept_lasts_while_nobody_watches(by_publisher: Store) -> None:
    """Neither sockets nor viewers by name that leave end it; a publisher's stop does."""
    web = Web(by_publisher, "a")
    act(by_publisher, "publish", keeps=True)
    web.set("jam", 1)
    assert web.set("jam", 0).due is None
    act(by_publisher, "in", "ann")
    assert act(by_publisher, "out", "ann").due is None
    assert state(by_publisher) == ("live", 0)
    act(by_publisher, "unpublish", delay=0)
    assert end(by_publisher) == [("by-enc", 0)]
    agree(by_publisher)


def test_a_session_without_publisher_is_dropped(by_publisher: Store) -> None:
    """Its viewers' leaving is no end; an end that was ordered is one."""
    Web(by_publisher, "a").visit("jam")

    def dropped() -> bool:
        return not by_publisher.claim(10) and state(by_publisher)[0] == "idle"

    eventually(dropped, "it is dropped")
    assert by_publisher.totals(0).counters["sessions_purged"] == 1
    assert (state(by_publisher), by_publisher.records(10)) == (("idle", 0), [])
    by_publisher.schedule("jam", "s1", 0)
    assert end(by_publisher) == [("s1", 0)]
    assert by_publisher.totals(0).sessions_unaccounted == 0


def test_a_publisher_takes_over_what_viewers_began(by_publisher: Store) -> None:
    """It comes within their grace period: the session goes on, and is its own from then on."""
    Web(by_publisher, "a", LONG).visit("jam")
    assert state(by_publisher)[0] == "ending"
    row = act(by_publisher, "publish", keeps=True)
    assert (row.change, row.session, row.due) == (Change.RESUMED, "jam-by-a-1", None)


def test_whichever_comes_first_ends_it(any_store: Store) -> None:
    """Without ``keeps`` viewers end it while it is published, and once."""
    act(any_store, "publish")
    act(any_store, "in", "ann", delay=0)
    act(any_store, "out", "ann", delay=0)
    assert end(any_store) == [("by-enc", 0)]
    assert act(any_store, "unpublish").session == ""
    assert state(any_store) == ("idle", 0)
    assert any_store.claim(10) == []


def test_a_publisher_s_return_leaves_the_viewers_end_to_viewers(any_store: Store) -> None:
    """Who watched is gone: with the publisher back, their end is still to come."""
    act(any_store, "publish")
    act(any_store, "in", "ann")
    act(any_store, "out", "ann")
    act(any_store, "unpublish")
    row = act(any_store, "publish")
    assert (row.change, state(any_store)) == (Change.ENDING, ("ending", 0))
    assert act(any_store, "in", "ann").change is Change.RESUMED


def test_a_publisher_goes_by_itself(any_store: Store) -> None:
    """Its time is up like a viewer's, and its going is a stop."""
    act(any_store, "publish", ttl=50)
    eventually(lambda: any_store.heartbeat("", 0, 0).expired == ("jam",), "its time is up")
    assert act(any_store, "expire", "", delay=-1).change is Change.ENDING
    assert any_store.heartbeat("", 0, 0).expired == ()


def test_an_out_that_was_first_is_remembered_once(any_store: Store) -> None:
    """The in that comes after it lets nobody in; then ins count again. So with publishers."""
    pairs: list[tuple[GuestAct, GuestAct]] = [("in", "out"), ("publish", "unpublish")]
    for come, go in pairs:
        act(any_store, go, "x")
        act(any_store, come, "x")
        assert state(any_store) == ("idle", 0)
    act(any_store, "in", "x")
    acts: list[GuestAct] = ["out", "out", "in"]
    for what in acts:
        act(any_store, what, "x")
    assert state(any_store) == ("live", 1), "an out that is repeated overtook nothing"


def test_an_out_that_found_somebody_was_not_the_first(any_store: Store) -> None:
    """Whatever out came before: who came by another way since, and left, may come in again."""
    acts: list[GuestAct] = ["out", "join", "out", "in"]
    for what in acts:
        act(any_store, what, "x")
    assert state(any_store) == ("live", 1)


def test_only_who_was_not_noted_anew_is_lost(any_store: Store) -> None:
    """A guest is lost of the instant it was seen missing at, viewer or publisher."""
    act(any_store, "in", "ann", ttl=1000)
    act(any_store, "publish", "enc", ttl=1000)
    noted = {name: until for _, name, until in any_store.guests("")}
    assert sorted(noted) == ["ann", "enc"]
    assert [name for _, name, _ in any_store.guests("a")] == ["ann"]
    act(any_store, "in", "ann", ttl=LONG)
    assert act(any_store, "lose", "ann", ttl=noted["ann"], delay=-1).clients == 1
    assert act(any_store, "lose", "enc", ttl=noted["enc"], delay=-1).change is Change.ENDING
    again = {name: until for _, name, until in any_store.guests("")}
    assert act(any_store, "lose", "ann", ttl=again["ann"], delay=-1).clients == 0
    agree(any_store)


def test_a_purge_forgets_publishers_and_a_stop_does_not(any_store: Store) -> None:
    """After a purge nothing is left; after an order to stop an encoder may still be there."""
    act(any_store, "publish")
    any_store.finish("jam", Change.STOPPED)
    assert [name for _, name, _ in any_store.guests("")] == ["enc"]
    act(any_store, "in", "ann")
    assert act(any_store, "unpublish").change is Change.ENDING
    act(any_store, "publish")
    any_store.finish("jam", Change.PURGED)
    assert list(any_store.guests("")) == []


def put_back(store: Store, cause: Cause, left: int = LONG) -> int:
    """Put back an end of the session that a process kept: the store has lost it."""
    return store.put_back("b", [Kept("jam", "s1", 1000, left, 1, cause=cause)])


def test_why_it_ends_is_said(any_store: Store) -> None:
    """So that who keeps the end can put it back as what it is."""
    act(any_store, "publish")
    act(any_store, "in", "ann")
    assert act(any_store, "out", "ann").cause == "emptied"
    assert act(any_store, "unpublish").cause == "stopping"
    assert act(any_store, "publish").cause == "emptied"
    assert act(any_store, "in", "ann").cause == ""


def test_a_stop_that_is_put_back_ends_it_whoever_watches(any_store: Store) -> None:
    """An emptied store learns of it before or after the viewers who are still there."""
    Web(any_store, "a", LONG).set("jam", 1)
    for _ in range(2):
        put_back(any_store, "stopping")
    assert state(any_store) == ("ending", 1)
    any_store.finish("jam", Change.PURGED)
    put_back(any_store, "stopping", 0)
    Web(any_store, "c", LONG).set("jam", 1)
    assert end(any_store) == [("s1", 1)]
    agree(any_store)


def test_a_stop_that_is_put_back_is_over_where_the_publisher_is_back(by_publisher: Store) -> None:
    """Whoever published since has resumed it, though the store knew nothing to resume."""
    act(by_publisher, "publish", keeps=True)
    put_back(by_publisher, "stopping")
    assert state(by_publisher) == ("live", 0)
    assert by_publisher.status(["jam"])[0].session == "s1"
    agree(by_publisher)


def test_viewers_whose_end_is_put_back_leave_a_publisher_s_return_their_end(
    any_store: Store,
) -> None:
    """Where it is theirs too: those who watched are gone, and nobody else would say so."""
    act(any_store, "publish")
    put_back(any_store, "emptied")
    assert state(any_store) == ("ending", 0)
    agree(any_store)


def test_what_viewers_said_is_put_back_as_what_it_is(by_publisher: Store) -> None:
    """Where their leaving is no end it still is none; an end that was ordered is one."""
    put_back(by_publisher, "emptied", 0)

    def dropped() -> bool:
        return not by_publisher.claim(10) and state(by_publisher)[0] == "idle"

    eventually(dropped, "it is dropped")
    put_back(by_publisher, "", 0)
    assert end(by_publisher) == [("s1", 0)]


def test_an_end_that_is_put_back_ends_nothing_that_is_published(by_publisher: Store) -> None:
    """A publisher who came since keeps its session, though nobody watches."""
    act(by_publisher, "publish", keeps=True)
    put_back(by_publisher, "emptied", 0)
    assert state(by_publisher) == ("live", 0)
    assert by_publisher.status(["jam"])[0].due_at is None
    agree(by_publisher)
