"""Two processes on one store, step by step: who hears of a stop late, and in which order."""

from __future__ import annotations

import pytest
from flask import Flask

from flask_streamend import StreamEnd
from flask_streamend.settings import Settings
from flask_streamend.state import AppState
from flask_streamend.store.base import Change
from flask_streamend.store.memory import MemoryStore
from flask_streamend.viewers import Silent
from flask_streamend.wiring import build


class Watcher(Silent):
    """A viewer who notes the code with which it was let go of."""

    def __init__(self) -> None:
        self.code: int | None = None

    def stop(self, code: int) -> None:
        """Note the code."""
        self.code = code


def process(store: MemoryStore) -> AppState:
    """Return a process's parts on a store; nothing in it runs by itself."""
    app = Flask(__name__)
    app.config.update(SECRET_KEY="tests", STREAMEND_REDIS_URL="memory://", STREAMEND_DELAY=600)
    return build(app, Settings.from_config(app.config), StreamEnd(), store)


@pytest.fixture
def processes() -> tuple[AppState, AppState]:
    """Return two processes on one store."""
    store = MemoryStore()
    return process(store), process(store)


def enter(state: AppState) -> Watcher:
    """Have somebody watch in a process, and the store know it."""
    watcher = Watcher()
    state.presence.enter("jam", watcher, 600)
    state.presence.flush()
    return watcher


def test_a_straggler_is_let_go_at_the_next_beat(processes: tuple[AppState, AppState]) -> None:
    """A process that did not give the order hears of it at its next beat."""
    first, second = processes
    watchers = [enter(state) for state in processes]
    assert first.store.finish("jam", Change.STOPPED) is not None
    first.sweep.beat()
    second.sweep.beat()
    assert [watcher.code for watcher in watchers] == [4000, 4000]


def test_a_straggler_is_let_go_at_a_report_before_the_beat(
    processes: tuple[AppState, AppState],
) -> None:
    """A process that reports the stopped session before its beat lets its viewers go at once."""
    first, second = processes
    watchers = [enter(second), enter(second)]
    first.store.finish("jam", Change.STOPPED)
    second.presence.leave("jam", watchers.pop())
    second.presence.flush()
    assert watchers[0].code == 4000
    assert first.store.status(["jam"])[0].state == "idle"


@pytest.mark.parametrize("beat_first", [True, False])
def test_a_straggler_does_not_slip_into_the_next_session(
    processes: tuple[AppState, AppState], beat_first: bool
) -> None:
    """Where another session has begun elsewhere meanwhile, stragglers are let go all the same."""
    first, second = processes
    watchers = [enter(second), enter(second)]
    first.store.finish("jam", Change.STOPPED)
    newcomer = enter(first)
    if beat_first:
        second.sweep.beat()
    second.presence.leave("jam", watchers.pop())
    second.presence.flush()
    second.sweep.beat()
    second.presence.flush()
    assert watchers[0].code == 4000
    assert newcomer.code is None
    assert first.store.status(["jam"])[0].clients == 1


def test_a_newcomer_is_no_straggler(processes: tuple[AppState, AppState]) -> None:
    """Who comes while a straggler's socket still closes begins another session and stays."""
    first, _ = processes
    straggler = enter(first)
    first.store.finish("jam", Change.STOPPED)
    first.sweep.beat()
    assert straggler.code == 4000
    newcomer = enter(first)
    first.presence.leave("jam", straggler)
    first.presence.flush()
    assert newcomer.code is None
    assert first.store.status(["jam"])[0].clients == 1


def test_a_purge_counts_each_process_s_viewers_again(
    processes: tuple[AppState, AppState],
) -> None:
    """After a purge every process counts its viewers anew, in one new session of them all."""
    first, second = processes
    watchers = [enter(state) for state in processes]
    old = first.store.finish("jam", Change.PURGED)
    assert old is not None
    for state in processes:
        state.sweep.beat()
        state.presence.flush()
    status = first.store.status(["jam"])[0]
    assert (status.state, status.clients) == ("live", 2)
    assert status.session != old.session
    assert [watcher.code for watcher in watchers] == [None, None]
    second.presence.leave("jam", watchers[1])
    first.presence.leave("jam", watchers[0])
    for state in processes:
        state.presence.flush()
    assert first.store.status(["jam"])[0].state == "ending"
