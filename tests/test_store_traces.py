"""The context of an end's trace, in both stores: it lies with the session, then with its notice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flask_streamend.store.base import Change, Held, Kept, Outcome
from flask_streamend.store.interface import Store

from .apps.store import LEASE, take
from .servers import eventually

FIRST, SECOND = (f"00-{digit * 32}-{digit * 16}-01" for digit in "12")
TRIED = f"00-{'1' * 32}-{'3' * 16}-01"
HOUR = 3_600_000


def report(
    store: Store, seq: int, count: int, trace: str = "", delay: int = 0, holder: str = "web"
) -> Change:
    """Report an event's viewers; return what became of its session."""
    held = {"jam": Held(count, "5e55", delay, trace=trace)}
    (row,) = store.report(holder, seq, LEASE, held, full=seq == 1).events
    return row.change


def leave(store: Store, trace: str, delay: int = 0) -> None:
    """Have somebody come and go; the report of the leave has a context."""
    report(store, 1, 1, delay=delay)
    assert report(store, 2, 0, trace, delay) is Change.ENDING


def claimed(store: Store) -> str:
    """Wait for the end, claim it and return its trace's context."""
    (end,) = eventually(lambda: store.claim(10), "an end is claimed")
    return end.trace


def traces(store: Store) -> dict[str, tuple[str, bool]]:
    """Return what is known of the session."""
    return store.traces([("jam", "5e55"), ("other", "0e55")])


def test_the_report_of_the_last_leave_brings_it(any_store: Store) -> None:
    """What the ending report brought is with the session, the claimed end and its delivery."""
    leave(any_store, FIRST)
    assert traces(any_store) == {"5e55": (FIRST, False)}
    assert claimed(any_store) == FIRST
    assert traces(any_store) == {"5e55": (FIRST, True)}
    delivery = take(any_store, "me")
    assert (delivery.trace, delivery.tried) == (FIRST, "")


def test_a_leave_that_ends_nothing_brings_nothing(any_store: Store) -> None:
    """While another process holds a viewer, no context is stored."""
    report(any_store, 1, 1)
    report(any_store, 1, 1, holder="other")
    assert report(any_store, 2, 0, FIRST) is Change.NONE
    assert traces(any_store) == {"5e55": ("", False)}


def test_who_comes_back_takes_it_away(any_store: Store) -> None:
    """An end that was cancelled leaves no context; the next one brings its own."""
    leave(any_store, FIRST, HOUR)
    assert report(any_store, 3, 1, delay=HOUR) is Change.RESUMED
    assert traces(any_store) == {"5e55": ("", False)}
    assert report(any_store, 4, 0, SECOND) is Change.ENDING
    assert claimed(any_store) == SECOND


def test_a_repeat_of_the_report_changes_nothing(any_store: Store) -> None:
    """The same report again, whose answer was lost, leaves the first context."""
    leave(any_store, FIRST, HOUR)
    assert report(any_store, 2, 0, SECOND, HOUR) is Change.NONE
    assert traces(any_store) == {"5e55": (FIRST, False)}


def test_a_reaped_process_leaves_none(any_store: Store) -> None:
    """The end of what a dead process held has no context: whoever tells it makes one."""
    report(any_store, 1, 1)
    any_store.reap("web", goodbye=True)
    assert claimed(any_store) == ""
    delivery = take(any_store, "me")
    assert (delivery.trace, delivery.tried) == ("", "")


def test_a_guest_s_leave_and_a_schedule_bring_it(any_store: Store) -> None:
    """The last viewer by name, and a scheduled end, bring theirs; the later one counts."""
    any_store.guest("join", "jam", "ann", HOUR, "5e55", HOUR)
    any_store.guest("leave", "jam", "ann", 0, "", HOUR, FIRST)
    assert traces(any_store) == {"5e55": (FIRST, False)}
    any_store.schedule("jam", "0000", 0, SECOND)
    assert traces(any_store) == {"5e55": (SECOND, False)}
    assert claimed(any_store) == SECOND


def test_a_stop_brings_one_only_where_none_is(any_store: Store) -> None:
    """A stream that is stopped in its grace period keeps its context; a live one gets the new."""
    leave(any_store, FIRST, HOUR)
    ended = any_store.finish("jam", Change.STOPPED, SECOND)
    assert ended is not None
    assert ended.trace == FIRST == take(any_store, "me").trace
    any_store.report("web", 3, LEASE, {"set": Held(1, "6e66", 0)}, full=False)
    ended = any_store.finish("set", Change.STOPPED, SECOND)
    assert ended is not None
    assert ended.trace == SECOND == take(any_store, "me").trace


def test_a_purged_session_is_not_known(any_store: Store) -> None:
    """Of a session that was purged nothing is known, and its end has no context."""
    leave(any_store, FIRST, HOUR)
    ended = any_store.finish("jam", Change.PURGED, SECOND)
    assert ended is not None
    assert ended.trace == ""
    assert traces(any_store) == {}


@pytest.mark.parametrize("state", ["ending", "pending"])
def test_what_is_put_back_brings_it(any_store: Store, state: str) -> None:
    """An end that a store lost, or never knew, comes back with its context."""
    kept = Kept("jam", "5e55", age=1000, left=-10, state=state, trace=FIRST)
    assert any_store.put_back("web", [kept]) == 1
    if state == "ending":
        assert claimed(any_store) == FIRST
    assert take(any_store, "me").trace == FIRST


def test_a_later_end_of_the_same_session_is_put_back_with_its_own(any_store: Store) -> None:
    """A store that knows the session, and not its last leave, gets that one's context."""
    leave(any_store, FIRST)
    kept = Kept("jam", "5e55", age=1000, left=HOUR, trace=SECOND)
    assert any_store.put_back("web", [kept]) == 1
    assert traces(any_store) == {"5e55": (SECOND, False)}
    assert any_store.put_back("web", [replace(kept, left=0, trace=FIRST)]) == 0
    assert traces(any_store) == {"5e55": (SECOND, False)}


def test_an_attempt_is_known_to_the_next(any_store: Store) -> None:
    """The context of an attempt that failed comes with the delivery to the next one."""
    leave(any_store, FIRST)
    claimed(any_store)
    for tried in (TRIED, ""):
        delivery = take(any_store, "me")
        assert any_store.sending(delivery.id, "me", LEASE)
        any_store.settle(*(delivery.id, "me", "email", Outcome.FAILED, "busy", 0), attempt=tried)
    delivery = take(any_store, "me")
    assert (delivery.trace, delivery.tried) == (FIRST, TRIED)
