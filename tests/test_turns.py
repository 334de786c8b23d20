"""Calls that nobody can bound, in turns."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from flask_streamend import turns
from flask_streamend.turns import Turns

from .servers import PATIENCE, eventually


@pytest.fixture
def go_on() -> Iterator[threading.Event]:
    """Return what calls that hang wait for; they are over when the test is."""
    event = threading.Event()
    yield event
    event.set()


def hang(places: Turns, go_on: threading.Event) -> threading.Thread:
    """Begin a call that hangs, and wait until it is under way."""
    inside = threading.Event()

    def call() -> None:
        with places.one() as given:
            assert given
            inside.set()
            go_on.wait(PATIENCE)

    thread = threading.Thread(target=call)
    thread.start()
    assert inside.wait(PATIENCE)
    return thread


def test_a_turn_is_waited_for(go_on: threading.Event) -> None:
    """Who comes when all places are taken gets the first that is free."""
    places, got = Turns(lambda: 1), list[bool]()

    def come() -> None:
        with places.one() as given:
            got.append(given)

    first = hang(places, go_on)
    second = threading.Thread(target=come)
    second.start()
    go_on.set()
    for thread in (first, second):
        thread.join(PATIENCE)
    assert got == [True]


def test_nobody_waits_for_what_hangs(
    go_on: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where every call has been under way for long, there is no turn, at once; then there is."""
    places = Turns(lambda: 2)
    hanging = [hang(places, go_on) for _ in range(2)]
    monkeypatch.setattr(turns, "PATIENCE", 0.0)
    # A wait that must not be: it would be longer than this test may take.
    monkeypatch.setattr(places._changed, "wait_for", lambda *_: pytest.fail("it waits"))
    with places.one() as given:
        assert not given
    go_on.set()
    for thread in hanging:
        thread.join(PATIENCE)
    with places.one() as given:
        assert given


def test_a_turn_is_given_back_whatever_happens() -> None:
    """A call that raises makes room too, and there is always a place for one."""
    places = Turns(lambda: -1)
    for _ in range(3):
        with suppress(LookupError), places.one() as given:
            assert given
            raise LookupError
    eventually(lambda: not places._began, "no call is under way")
