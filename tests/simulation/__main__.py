"""``python -m tests.simulation --histories 100000``, or ``--seed N`` to replay one."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter

from .many import many, replay

#: Histories after which it says how far it has come.
PROGRESS = 5000


def show(seed: int) -> int:
    """Run a history and print what happened."""
    failure, trace = replay(seed)
    print("\n".join(trace))
    print(f"seed {seed}: {failure or 'every promise was kept'}")
    return 1 if failure else 0


def count(first: int, histories: int, jobs: int) -> int:
    """Run many histories over some cores, and print how it went."""
    began, failed, seconds = time.monotonic(), 0, 0.0
    let_pass: Counter[str] = Counter()
    for done, ran in enumerate(many(range(first, first + histories), jobs), 1):
        let_pass += ran.let_pass
        seconds += ran.seconds
        if ran.failure:
            failed += 1
            print(f"seed {ran.seed}: {ran.failure[:600]}", flush=True)
        if done % PROGRESS == 0:
            so_far = f"{done} histories, {failed} failed, {seconds / 3600:.0f} simulated hours"
            print(f"{so_far}: {dict(sorted(let_pass.items()))}", file=sys.stderr, flush=True)
    took = time.monotonic() - began
    print(
        f"{histories} histories, {failed} failed; {histories / took:.0f} a second on {jobs} cores;"
        f" {seconds / 3600:.0f} simulated hours in {took:.0f} s"
    )
    print("let pass by the honest limits:", dict(sorted(let_pass.items())))
    return 1 if failed else 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this one, with a trace")
    parser.add_argument("--histories", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    if given.seed is not None:
        return show(given.seed)
    return count(given.first, given.histories, given.jobs)


if __name__ == "__main__":
    raise SystemExit(main())
