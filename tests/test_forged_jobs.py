"""Only the store's own state has a notice sent: whatever is put into the queue, by whomever."""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from rq import Queue
from rq.job import Job

from flask_streamend.alarms import RING
from flask_streamend.sealing import Sealer, keys_for

from .ground import Ground
from .servers import Process, Site, eventually
from .viewers import RawViewer

OURS = Sealer(keys_for((), "tests"))
THEIRS = Sealer((Fernet.generate_key().decode(),))


@pytest.fixture(scope="module")
def site(ground: Ground) -> Site:
    """Return a site."""
    return ground.site()


@pytest.fixture(scope="module", autouse=True)
def worker(ground: Ground, site: Site) -> Process:
    """Return RQ's worker, with the application loaded once: it runs what is queued."""
    return ground.worker(site, "preloaded")


@pytest.fixture(autouse=True)
def viewers() -> Iterator[None]:
    """Leave no viewer to the next test."""
    yield
    RawViewer.close_all()


Forged = tuple[tuple[Any, ...], dict[str, Any]]


def run(ground: Ground, *jobs: Forged) -> list[str]:
    """Have the worker run jobs with these arguments and meta; return how each one ended."""
    queue = Queue("default", connection=ground.redis)
    keep = {"result_ttl": 600, "failure_ttl": 600}
    queued = [queue.enqueue(RING, args=args, meta=meta, **keep) for args, meta in jobs]

    def over() -> list[str]:
        found = [str(job.get_status(refresh=True).value) for job in queued]
        return found if set(found) <= {"finished", "failed"} else []

    return eventually(over, "the worker has run what was forged")


def forged(event_id: str, session: str | None, due: int = 1) -> list[Forged]:
    """Return every job somebody could make who can write to the queue."""
    named = event_id, session or "0" * 16
    metas: list[Any] = [
        *({}, {"due": due}, {"due": 0}, {"due": -1}, {"due": "soon"}, {"due": 1 << 70}),
        *({"due": None, "watch": "x"}, {"watch": 10**30}, {"traceparent": "x" * 10_000}),
    ]
    sealed: list[Any] = [OURS.seal(*named), THEIRS.seal(*named), "x", "", "é\ud800", None, 5, {}]
    jobs: list[Forged] = [(("streamend", token), {"due": due}) for token in sealed]
    jobs += [(("streamend", OURS.seal(*named)), meta) for meta in metas]
    jobs += [(("no such namespace", OURS.seal(*named)), {}), ((7, "x"), {}), (("streamend",), {})]
    return jobs


def told(ground: Ground, event_id: str) -> None:
    """Wait for an event's mail; others wait for theirs meanwhile."""
    eventually(lambda: ground.mails(event_id), f"a mail about {event_id}")
    assert len(ground.mails(event_id)) == 1


def test_no_job_ends_an_event_with_viewers(ground: Ground, site: Site) -> None:
    """Garbage, another key's token, one of our own for the very session: nobody is told."""
    viewer = RawViewer(site.port, "watched-1")
    session = ground.wait("watched-1", "live", 1).session
    run(ground, *forged("watched-1", session))
    status = ground.status("watched-1")
    assert (status.state, status.clients, status.session) == ("live", 1, session)
    assert ground.mails("watched-1") == []
    viewer.leave()
    told(ground, "watched-1")


def test_no_job_ends_a_grace_period_early(ground: Ground, site: Site) -> None:
    """Before its instant an end is nobody's to tell, whatever a job says that it is."""
    RawViewer(site.port, "waits~own-3600").leave()
    waits = ground.wait("waits~own-3600", "ending")
    due = int((waits.due_at or 0) * 1000)
    for instant in (1, due):
        ended = run(ground, *forged("waits~own-3600", waits.session, instant))
        # The last lacks an argument; the others are alarms, whatever they hold.
        assert ended == ["finished"] * (len(ended) - 1) + ["failed"]
    assert ground.status("waits~own-3600").state == "ending"
    assert ground.mails("waits~own-3600") == []


def test_an_old_job_tells_nothing_again(ground: Ground, site: Site) -> None:
    """The job of an end that was told, replayed: nobody hears of it twice, nor too early of the
    next one.
    """
    viewer = RawViewer(site.port, "again-1")
    session = ground.wait("again-1", "live", 1).session
    viewer.leave()
    ended = eventually(lambda: ground.status("again-1").due_at, "it is ending") or 0.0
    told(ground, "again-1")
    genuine: Forged = (
        ("streamend", OURS.seal("again-1", str(session))),
        {"due": int(ended * 1000)},
    )
    assert run(ground, genuine, genuine) == ["finished", "finished"]
    RawViewer(site.port, "again-1")
    ground.wait("again-1", "live", 1)
    assert run(ground, genuine) == ["finished"]
    assert ground.status("again-1").state == "live"
    assert len(ground.mails("again-1")) == 1


def test_what_no_job_can_name_is_told_by_none(ground: Ground, site: Site) -> None:
    """An event that nobody ever watched is told by no job, though its loader knows it."""
    run(ground, *forged("never-1", None))
    assert ground.status("never-1").state == "idle"
    assert ground.mails("never-1") == []


def test_forged_jobs_leave_the_next_end_its_notice(ground: Ground, site: Site) -> None:
    """After all that was forged, an end is told as always, once."""
    run(ground, *forged("after-1", None))
    RawViewer(site.port, "after-1").leave()
    told(ground, "after-1")


def test_a_job_of_ours_holds_plain_texts(ground: Ground, site: Site) -> None:
    """RQ pickles its jobs' arguments; ours are two texts, and name nothing that would be called."""
    RawViewer(site.port, "plain~own-3600").leave()
    session = ground.wait("plain~own-3600", "ending").session
    job_id = f"streamend-{session}"
    eventually(lambda: Job.exists(job_id, connection=ground.redis), "its alarm is set")
    job = Job.fetch(job_id, connection=ground.redis)
    assert all(isinstance(argument, str) for argument in job.args)
    names = {opcode.name for opcode, _, _ in pickletools.genops(job.data)}
    assert names.isdisjoint({"GLOBAL", "STACK_GLOBAL", "REDUCE", "INST", "OBJ", "NEWOBJ", "BUILD"})
