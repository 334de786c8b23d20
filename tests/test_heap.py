"""What was loaded, kept out of the garbage collector's way: where, and where not."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest
from flask import Flask

from flask_streamend import StreamEnd

from .conftest import StartSite
from .viewers import Worker, both_workers

SETTLE = """
import gc, os
from flask_streamend.heap import settle

{first}
before = gc.get_freeze_count()
settle()
settled = gc.get_freeze_count()
late = [[] for _ in range(10_000)]
settle()
print(before, settled, gc.get_freeze_count())
"""


def settled(first: str = "pass") -> tuple[int, int, int]:
    """Return how many objects are left alone before, after, and after a repeat, in a process."""
    program = [sys.executable, "-c", SETTLE.format(first=first)]
    printed = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    before, after, again = map(int, printed.split())
    return before, after, again


@both_workers
def test_a_web_process_leaves_alone_what_it_loaded(start_site: StartSite, worker: Worker) -> None:
    """From a gunicorn worker's first request on, what was loaded is collected no more."""
    site = start_site(*worker, env={"FLASK_APP": "tests.apps.heap"})
    assert int(site.get("/left-alone")[1]) > 10_000


def test_no_other_process_does() -> None:
    """A request outside a gunicorn worker, as in an application's tests, changes nothing."""
    app = Flask(__name__)
    app.config.update(STREAMEND_REDIS_URL="memory://", MAIL_DEFAULT_SENDER="live@example.org")
    StreamEnd(app)
    assert app.test_client().get("/health/live").status_code == 200
    assert gc.get_freeze_count() == 0


def test_it_is_done_once() -> None:
    """What comes later is collected as ever: viewers leave no garbage behind."""
    before, after, again = settled()
    assert before == 0
    assert 1000 < after == again


@pytest.mark.parametrize("first", ["gc.disable()", "gc.freeze()"])
def test_an_application_s_own_arrangement_stands(first: str) -> None:
    """Where the application has seen to its collector, nothing is changed."""
    before, after, again = settled(first)
    assert before == after == again


def test_a_child_process_does_it_anew() -> None:
    """A process that was forked from one in which it was done settles what it loaded itself."""
    fork = "settle(); gc.unfreeze()\nif child := os.fork(): os._exit(os.waitpid(child, 0)[1] >> 8)"
    before, after, _ = settled(fork)
    assert (before, after > 1000) == (0, True)
