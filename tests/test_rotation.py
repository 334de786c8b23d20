"""Keys are rotated with ends pending: web processes and workers are started again, none is lost."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from rq import Queue
from rq.registry import ScheduledJobRegistry

from .ground import Ground
from .servers import Process, Site, eventually

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def started(ground: Ground, *keys: str) -> Site:
    """Start a site with these keys, whose grace periods end when a test says so."""
    return ground.site(STREAMEND_ENCRYPTION_KEYS=keys, STREAMEND_DELAY=3600, STREAMEND_LEASE=2)


def leave(ground: Ground, site: Site, event_id: str) -> None:
    """Have a viewer come and go: the end is pending, its alarm sealed with the newest key."""
    site.watch(event_id).close()
    ground.wait(event_id, "ending")
    registry = ScheduledJobRegistry("default", connection=ground.redis)
    session = ground.status(event_id).session
    eventually(lambda: f"streamend-{session}" in registry.get_job_ids(), "its alarm is set")


def ring(ground: Ground, site: Site, event_id: str) -> Process:
    """Have an event's own alarm ring, with no other web process there; by a worker of a site."""
    session = ground.status(event_id).session
    ground.store.schedule(event_id, "", 0)
    queue = Queue("default", connection=ground.redis)
    ScheduledJobRegistry(queue=queue).remove(f"streamend-{session}")
    queue.push_job_id(f"streamend-{session}")
    return ground.worker(site, "scheduler")


def met(ground: Ground) -> tuple[int, bool]:
    """Return how many alarms could not be unsealed, and whether a page would say so."""
    return ground.counter("errors|queue"), "worker-keys" in ground.store.totals(0).problems


@pytest.fixture(scope="module")
def later(ground: Ground) -> Site:
    """Return a stopped site with the new key only, for its workers."""
    site = started(ground, NEW)
    ground.stop_process(site.process)
    return site


def test_no_end_is_lost_in_a_rotation(ground: Ground, later: Site) -> None:
    """From the old key to both to the new one, an end pending at each step: each is told once.

    Viewers by name who came before a step are gone when they leave after it.
    """
    site = started(ground, OLD)
    leave(ground, site, "first")
    site.get("/guest/join/early/ann")
    ground.stop_process(site.process)
    both = started(ground, NEW, OLD)
    both.get("/guest/join/early/ann")
    ground.wait("early", "live", 1)
    both.get("/guest/leave/early/ann")
    ground.wait("early", "ending")
    leave(ground, both, "second")
    both.get("/guest/join/late/ben")
    ground.stop_process(both.process)
    worker = ring(ground, both, "first")
    eventually(lambda: ground.mails("first"), lambda: f"the first is told: {worker.output()}")
    ground.stop_process(worker)
    worker = ring(ground, later, "second")
    eventually(lambda: ground.mails("second"), lambda: f"the second is told: {worker.output()}")
    ground.stop_process(worker)
    assert met(ground) == (0, False)
    ground.restart(later)
    later.get("/guest/leave/late/ben")
    ground.wait("late", "ending")
    later.process.stop()
    assert [len(ground.mails(event)) for event in ("first", "second")] == [1, 1]


def test_an_alarm_of_an_unknown_key_rings_all_the_same(ground: Ground, later: Site) -> None:
    """Where the old key was dropped too early its alarm tells the host, and is counted and shown.

    A worker that is started again takes back what was said of it.
    """
    site = started(ground, OLD)
    leave(ground, site, "third")
    ground.stop_process(site.process)
    worker = ring(ground, later, "third")
    eventually(lambda: ground.mails("third"), lambda: f"the third is told: {worker.output()}")
    eventually(lambda: met(ground) == (1, True), "it is counted and shown")
    ground.stop_process(worker)
    ground.worker(later, "preloaded")
    eventually(lambda: met(ground) == (1, False), "it is shown no more")
    assert len(ground.mails("third")) == 1
