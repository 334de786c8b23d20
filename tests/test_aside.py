"""Calls of other people's code, made aside."""

from __future__ import annotations

import sys
import threading

from flask_streamend.aside import Aside

PATIENCE = 10.0


def test_one_thread_does_for_one_call_after_another() -> None:
    """Who was answered finds the same thread free for the next call."""
    aside, threads = Aside(4), set()
    for _ in range(20):
        call = aside.call(threading.get_ident)
        assert call is not None
        assert call.wait(PATIENCE)
        threads.add(call.answer)
    assert len(threads) == 1
    assert threads.isdisjoint({threading.get_ident()})


def test_calls_that_hang_are_bounded() -> None:
    """Calls that hang are waited for so long, and so many at once; one that is over makes room."""
    aside, go_on = Aside(2), threading.Event()
    first, second = aside.call(go_on.wait), aside.call(go_on.wait)
    assert first is not None
    assert second is not None
    assert not first.wait(0.01)
    assert aside.call(go_on.wait) is None
    go_on.set()
    assert second.wait(PATIENCE)
    third = aside.call(lambda: "answered")
    assert third is not None
    assert third.wait(PATIENCE)
    assert third.answer == "answered"


def test_whatever_is_raised_is_the_caller_s_to_judge() -> None:
    """Even what would end the thread is an error of its call, and the next call is made."""
    aside = Aside(1)
    left = aside.call(lambda: sys.exit("enough"))
    assert left is not None
    assert left.wait(PATIENCE)
    assert isinstance(left.error, SystemExit)
    after = aside.call(lambda: "answered")
    assert after is not None
    assert after.wait(PATIENCE)
    assert (after.answer, after.error) == ("answered", None)
