"""More than is comfortable: viewers by the thousand, a hanging Redis, a slow mail server."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..servers import Process, eventually
from .account import nobody_else, settle
from .conftest import MakeStage
from .mail_server import Order
from .size import PATIENCE
from .stage import family

VIEWERS = 2000
#: Events they watch, twenty viewers each.
WATCHED = 100
#: Ends in one instant.
ENDS = 1000
ROOMY = ("-k", "gevent", "--worker-connections", "4000")
#: Seconds that Redis hangs.
HANGS = 12.0
#: Bytes that a process may grow by, for each viewer there is or end that waits.
EACH = 16 * 1024


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """Let this process, and those it starts, open as many files as the machine allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def memory(process: Process) -> int:
    """Return the memory in bytes that is a process's own, and its children's."""
    return sum(map(_private, family(process.popen.pid)))


def _private(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    private = (line.split() for line in rollup if line.startswith("Private_"))
    return sum(int(kib) for _, kib, _ in private) * 1024


def test_two_thousand_viewers_and_a_redis_that_hangs(make_stage: MakeStage) -> None:
    """While Redis hangs, 500 of 2,000 viewers leave and come back again and again.

    The process keeps what it owes of each event, not of each act: its memory stays bounded, and
    nobody is told anything but who really left.
    """
    stage = make_stage()
    (site,) = stage.start(ROOMY)
    viewers = stage.crowd.watch((f"jam-{n}" for n in range(WATCHED)), site, each=VIEWERS // WATCHED)
    stage.counted(site, VIEWERS)
    restless, gone = viewers[: VIEWERS // 4], viewers[-VIEWERS // WATCHED :]
    before = memory(site.process)
    stage.redis_server.hang()
    try:
        quiet = threading.Timer(HANGS, lambda: None)
        quiet.start()
        stage.crowd.leave(gone)
        for _ in range(4):
            stage.crowd.leave(restless)
            stage.crowd.come_back(restless)
        quiet.join()
        grown = memory(site.process) - before
    finally:
        stage.redis_server.resume()
    assert grown < VIEWERS * EACH
    nobody_else(stage, gone)
    settle(stage)


def test_a_thousand_ends_in_one_instant(make_stage: MakeStage) -> None:
    """They are all told, each once, by one worker; that it fell behind can be seen meanwhile."""
    stage = make_stage()
    stage.mailbox.order(Order.SLOW)
    (site,) = stage.start(ROOMY)
    (worker,) = stage.workers
    viewers = stage.crowd.watch((f"jam-{n}" for n in range(ENDS)), site)
    stage.counted(site, ENDS)
    before = memory(worker)
    stage.crowd.leave(viewers)
    behind = eventually(lambda: stage.health(site)["overdue"], "it falls behind", PATIENCE)
    page = stage.health(site)
    assert 0 < behind < ENDS
    assert page["status"] == "degraded"
    assert "overdue" in {problem["code"] for problem in page["problems"]}
    assert memory(worker) - before < ENDS * EACH
    eventually(lambda: stage.health(site)["status"] == "ok", "it caught up", PATIENCE)
    settle(stage)
