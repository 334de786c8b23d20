"""Web processes and workers: there, with room, and all of one mind."""

from __future__ import annotations

from collections.abc import Iterator

from ..capacity import RESERVED_FILES
from ..facts import Facts
from ..telemetry.queues import RQWorker
from .findings import Case, Finding, doubtful, fine, wrong

#: Packages of which all processes should have the same version.
SAME = ("flask-streamend", "flask", "rq", "redis", "python")
#: The share of room that may be taken before more is wanted.
FULL = 0.8
#: What a tuned worker calls itself: it rings by itself.
TUNED = "flask streamend worker"


def web(case: Case) -> Iterator[Finding]:
    """Can each web process hold viewers, and how many?"""
    if not case.web:
        yield doubtful("no-web", f"none under the namespace {case.state.settings.namespace!r}")
    for who, clients, facts in case.web:
        if facts is None:
            yield fine("web", f"{who}: {clients:,} viewers; nothing is known of it yet")
            continue
        name = f"{facts.where} {facts.server}"
        if facts.trouble:
            yield wrong(facts.trouble, name)
            continue
        yield fine("web", f"{name}: {clients:,} viewers, room for {facts.room:,}")
        if facts.limit is not None and facts.files - RESERVED_FILES < facts.limit:
            yield wrong(
                "open-files",
                f"{facts.where} may open {facts.files:,}, and {facts.setting} is {facts.limit:,}",
            )
        elif clients >= FULL * facts.room:
            yield doubtful("room", f"{facts.where} holds {clients:,} viewers of {facts.room:,}")
    most, room = case.state.settings.max_clients, sum(facts.room for facts in case.web_facts)
    if most is not None and len(case.web_facts) == len(case.web) > 0 and room < most:
        yield doubtful("room", f"for {room:,} viewers, and STREAMEND_MAX_CLIENTS is {most:,}")


def queue(case: Case) -> Iterator[Finding]:
    """Does a worker read the queue, and does somebody ring?"""
    name, jobs = case.state.settings.queue, case.queue.jobs
    own = case.own_workers
    yield fine("queue", f"{name}: {jobs['queued']} queued, {jobs['scheduled']} scheduled")
    if not own:
        others = sorted({queue for worker, _ in case.workers for queue in worker.queues})
        found = f"nobody reads {name!r}"
        if others:
            found += f"; workers of this Redis read {', '.join(map(repr, others))}"
        yield wrong("no-worker", found, queue=name)
        for other in case.workers_elsewhere:
            told = f"{other.where} {other.server}"
            yield wrong("worker-elsewhere", f"{told} takes its jobs from another Redis")
    for worker, facts in own:
        yield fine("worker", _told(worker, facts))
    tuned = any(facts is not None and facts.server == TUNED for _, facts in own)
    if own and not (case.web or tuned or case.queue.scheduler):
        yield wrong("no-scheduler", "nobody rings")


def _told(worker: RQWorker, facts: Facts | None) -> str:
    if facts is None:
        return (
            f"{worker.where} rq worker {worker.version}; its application is known with its first"
            " notice"
        )
    return f"{worker.where} {facts.server}"


def agreement(case: Case) -> Iterator[Finding]:
    """Have the worker and the shell the same application, keys and links as the web?"""
    workers = [facts for _, facts in case.own_workers if facts is not None]
    for facts in (*case.web_facts, *workers):
        if facts.suppressed:
            yield wrong("mail-suppressed", f"{facts.where} {facts.server}")
    for facts in workers:
        name = f"{facts.where} {facts.server}"
        if facts.store and case.shell.store and facts.store != case.shell.store:
            yield wrong(
                "worker-elsewhere", f"{name}: its application has its store in another Redis"
            )
    # The newest web process; without one there is only this shell to compare with.
    model = max(case.web_facts, key=lambda facts: facts.since, default=case.shell)
    for facts in workers:
        name = f"{facts.where} {facts.server}"
        if not {*model.keys[:1]} <= {*facts.keys}:
            yield wrong("worker-keys", f"{name}: other keys than {model.where}")
        if facts.frontend != model.frontend:
            yield wrong("frontend-differs", f"{name}: another one than {model.where}")
        if facts.mail and facts.mail != case.shell.mail:
            yield doubtful("mail-differs", f"{name}: not the one that was looked at from here")
    if differs := _differs(case.shell, model):
        yield doubtful("shell-differs", f"other {differs} than {model.where}")
    everybody = [*case.web_facts, *workers]
    for package in SAME:
        found = {facts.versions.get(package, "?") for facts in everybody}
        if len(found) > 1:
            yield doubtful("version-skew", f"{package} {', '.join(sorted(found))}")


def _differs(shell: Facts, model: Facts) -> str:
    pairs = {"keys": (shell.keys, model.keys), "FRONTEND_URL": (shell.frontend, model.frontend)}
    return " and ".join(name for name, (one, other) in pairs.items() if one != other)
