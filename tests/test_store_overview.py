"""What a store shows an operator, in both stores: what matters most first, and bounded."""

from __future__ import annotations

import pytest

from flask_streamend.store import memory as memory_store
from flask_streamend.store import redis_overview as redis_store
from flask_streamend.store.base import Outcome
from flask_streamend.store.interface import Store
from flask_streamend.store.overview import Overview

from .apps.store import LEASE, Web, end, take

HOUR = 3_600_000


def settle(store: Store, event: str, outcome: Outcome, error: str = "") -> str:
    """Have an event end and its delivery settled; return the delivery."""
    end(store, event)
    delivery = take(store, "me").id
    assert store.sending(delivery, "me", LEASE)
    assert store.settle(delivery, "me", "email", outcome, error, HOUR) >= 0
    return delivery


def test_an_empty_store_has_nothing_to_show(any_store: Store) -> None:
    """Where nothing ever was, every part is empty."""
    assert any_store.overview(100, 50) == Overview()


def test_events_are_shown_as_their_status(any_store: Store) -> None:
    """Ending events come with the soonest first, live ones with the busiest, each as it stands."""
    Web(any_store, "a").send({"small": 1, "big": 7, "mid": 3})
    for event, delay in {"late": 2 * HOUR, "soon": HOUR}.items():
        Web(any_store, f"of-{event}", delay).visit(event)
    shown = any_store.overview(100, 50)
    assert list(shown.live) == any_store.status(["big", "mid", "small"])
    assert list(shown.ending) == any_store.status(["soon", "late"])
    few = any_store.overview(2, 50)
    assert [status.event_id for status in few.live] == ["big", "mid"]
    assert [status.event_id for status in any_store.overview(1, 50).ending] == ["soon"]


def test_deliveries_are_shown_by_what_became_of_them(any_store: Store) -> None:
    """Dead letters are apart from the rest, what is owed from what is settled."""
    settle(any_store, "told", Outcome.SENT)
    settle(any_store, "lost", Outcome.DEAD, "550 no such user")
    settle(any_store, "quiet", Outcome.SKIPPED, "muted")
    settle(any_store, "again", Outcome.FAILED, "timed out")
    shown = any_store.overview(100, 50)
    rows = {record.event_id: record for record in any_store.records(100)}
    assert list(shown.dead) == [rows["lost"]]
    assert list(shown.owed) == [rows["again"]]
    assert sorted(shown.settled, key=lambda row: row.event_id) == [rows["quiet"], rows["told"]]


def test_an_old_dead_letter_is_found_behind_newer_deliveries(any_store: Store) -> None:
    """However many notices were sent since, up to a bound, a dead letter is still shown."""
    settle(any_store, "lost", Outcome.DEAD)
    for number in range(6):
        settle(any_store, f"told{number}", Outcome.SENT)
    shown = any_store.overview(100, 2)
    assert [record.event_id for record in shown.dead] == ["lost"]
    assert len(shown.settled) == 2
    assert {record.state for record in shown.settled} == {"sent"}


def test_the_search_for_dead_letters_is_bounded(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind more settled deliveries than are searched, the totals alone tell of it."""
    settle(any_store, "lost", Outcome.DEAD)
    for number in range(2 * 100):
        Web(any_store, f"w{number}").visit(f"told{number}")
    any_store.claim(1000)
    for delivery in any_store.take("me", LEASE, 1000):
        any_store.settle(delivery.id, "me", "email", Outcome.SKIPPED, "muted", 0)
    for module in (memory_store, redis_store):
        monkeypatch.setattr(module, "SEARCHED", 100)
    shown = any_store.overview(100, 50)
    assert (len(shown.dead), len(shown.settled), any_store.totals(0).dead) == (0, 50, 1)
