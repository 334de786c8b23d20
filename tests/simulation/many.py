"""Many histories, over some cores."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from multiprocessing import get_context
from multiprocessing.pool import Pool
from typing import NamedTuple
from unittest import mock

from .history import History

#: Seeds handed to one process at a time.
CHUNK = 50
#: Names in a set have one order, or a seed would be another history in each process.
ORDER = {"PYTHONHASHSEED": "0"}
#: How much lower than others' the priority of these processes is.
GIVES_WAY = 10


class Ran(NamedTuple):
    """What became of one history.

    :param failure: how a promise was broken; None: none was.
    :param let_pass: how often each honest limit was met.
    :param seconds: how long it was, on its own clock.
    """

    seed: int
    failure: str | None
    let_pass: Counter[str]
    seconds: float


def run(seed: int) -> Ran:
    """Run a history."""
    history = History(seed)
    failure = history.run()
    world = history.world
    return Ran(seed, failure, world.promises.let_pass, world.scheduler.now)


def replay(seed: int) -> tuple[str | None, list[str]]:
    """Return how a promise was broken in a history, and what happened, as in the run of many."""
    with _pool(1) as pool:
        return pool.apply(_traced, (seed,))


def _traced(seed: int) -> tuple[str | None, list[str]]:
    trace: list[str] = []
    return History(seed, trace).run(), trace


def _pool(jobs: int) -> Pool:
    # Not forked: nothing of the tests' threads and connections is theirs.
    # And what runs beside it goes first: it may be told by the clock.
    with mock.patch.dict(os.environ, ORDER):
        return get_context("spawn").Pool(jobs, os.nice, (GIVES_WAY,))


def many(seeds: Iterable[int], jobs: int) -> Iterator[Ran]:
    """Run histories, and yield what became of each, in order."""
    with _pool(jobs) as pool:
        yield from pool.imap(run, seeds, chunksize=CHUNK)


def command(seed: int) -> str:
    """Return the command that replays a history."""
    return f"{sys.executable} -m tests.simulation --seed {seed}"
