"""What is not over in time, and the one thread that sees it."""

from __future__ import annotations

import os
import threading

from flask_streamend.deadlines import Deadlines

PATIENCE = 10.0


def watchers() -> list[threading.Thread]:
    """Return the threads that watch."""
    return [t for t in threading.enumerate() if t.name == "flask_streamend.deadlines"]


def test_what_takes_too_long_is_acted_on_once() -> None:
    """The context is over time: the act is done while it lasts, and not again."""
    acts = threading.Semaphore(0)
    deadlines = Deadlines()
    with deadlines.within(0.01, acts.release):
        assert acts.acquire(timeout=PATIENCE)
        with deadlines.within(0.01, acts.release):
            assert acts.acquire(timeout=PATIENCE)
        assert not acts.acquire(blocking=False)


def test_one_thread_watches_all_and_ends() -> None:
    """A hundred at once, one within the other, have one thread; it ends a while after them."""
    before, deadlines = watchers(), Deadlines(linger=0.01)
    never = threading.Event()
    for _ in range(100):
        with deadlines.within(3600, never.set), deadlines.within(3600, never.set):
            (one,) = set(watchers()) - set(before)
    over = threading.Event()
    with deadlines.within(0.001, over.set):
        assert over.wait(PATIENCE)
    one.join(PATIENCE)
    assert not one.is_alive()
    assert not never.is_set()


def test_the_thread_waits_for_what_may_come_next() -> None:
    """Of what comes one after the other each finds the thread of the one before."""
    before, deadlines, over = watchers(), Deadlines(), threading.Semaphore(0)
    found = set()
    for _ in range(3):
        with deadlines.within(0.01, over.release):
            assert over.acquire(timeout=PATIENCE)
        found |= set(watchers()) - set(before)
    (one,) = found
    assert one.is_alive()


def test_who_is_due_sooner_is_not_kept_waiting() -> None:
    """The thread sleeps until the first deadline it knows; a sooner one wakes it."""
    late, soon = threading.Event(), threading.Event()
    deadlines = Deadlines()
    with deadlines.within(3600, late.set), deadlines.within(0.01, soon.set):
        assert soon.wait(PATIENCE)
    assert not late.is_set()


def test_a_child_process_watches_by_itself() -> None:
    """Its parent's thread is not there; nor does it act on what its parent has under way."""
    deadlines, parents = Deadlines(), threading.Event()
    os.register_at_fork(after_in_child=deadlines.renew)
    with deadlines.within(3600, parents.set):
        child = os.fork()
        if child == 0:
            own = threading.Event()
            with deadlines.within(0.01, own.set):
                acted = own.wait(PATIENCE)
            os._exit(0 if acted and not parents.is_set() else 1)
        assert os.waitpid(child, 0)[1] == 0
