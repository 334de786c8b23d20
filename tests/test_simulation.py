"""The protocol over random histories, on simulated time: see :mod:`tests.simulation`."""

from __future__ import annotations

import os
from itertools import count

import pytest
from redis import Redis

from .apps.twins import Twins
from .simulation.history import History
from .simulation.many import command, many, replay
from .simulation.planted import BUGS, planted

#: Histories run here; ``python -m tests.simulation --histories 100000`` is the long run.
HISTORIES = 2000
#: Histories run against the scripts in Redis too, of other seeds.
IN_REDIS = range(1_000_000, 1_000_060)
#: A history in which events are reported together, in the order of their names in a set.
SEVERAL = 6500
#: Histories within which each planted bug is found.
TEETH = 400


def test_every_promise_is_kept_over_two_thousand_histories() -> None:
    """Joins, leaves, crashes, outages, delays, repeats: promises 1 to 4 hold in every history."""
    jobs = min(4, os.cpu_count() or 1)
    failed = [ran for ran in many(range(HISTORIES), jobs) if ran.failure]
    assert not failed, "\n".join(f"{ran.failure}\n  {command(ran.seed)}" for ran in failed[:5])


def test_a_history_is_replayed_by_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same seed gives the same history, line by line, in whatever process."""
    told = []
    for order in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", order)
        told.append(replay(SEVERAL))
    assert len(told[0][1]) > 100
    assert told[0] == told[1]


def test_the_scripts_in_redis_answer_as_the_store_in_memory(redis: Redis) -> None:
    """Over whole histories each script gives, on the same clock, what the other store gives."""
    names = count()
    for seed in IN_REDIS:
        history = History(seed, None, lambda now: Twins(redis, f"sim{next(names)}", now))
        failure = history.run()
        assert not failure, f"seed {seed}: {failure}"


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: str) -> None:
    """With a bug in the protocol some history breaks a promise, soon."""
    for seed in range(TEETH):
        with planted(bug):
            if History(seed).run():
                return
    pytest.fail(f"nothing was noticed of it in {TEETH} histories: {bug}")
