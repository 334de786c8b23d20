"""Every name of RQ's that this package uses, so that a release of RQ can be read against it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import rq
from rq import worker_registration
from rq.executions import ExecutionRegistry
from rq.job import Job
from rq.queue import Queue
from rq.registry import FailedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.scheduler import RQScheduler
from rq.worker import WorkerStatus

import flask_streamend

#: What is imported from RQ, and what is used of each.
USED: dict[str, tuple[object, set[str]]] = {
    "rq.Queue": (
        Queue,
        {"enqueue", "enqueue_in", "key"},
    ),
    "rq.queue.Queue": (Queue, set()),
    "rq.Worker": (
        rq.Worker,
        {
            *("bootstrap", "dequeue_timeout", "execute_job", "heartbeat", "is_horse"),
            *("perform_job", "prepare_execution", "set_state", "get_state", "work"),
            *("queue_names", "register_birth", "register_death"),
        },
    ),
    "rq.executions.ExecutionRegistry": (ExecutionRegistry, {"key_template"}),
    "rq.get_current_job": (rq, {"get_current_job"}),
    "rq.job.Job": (Job, {"args", "func_name", "id", "key_for"}),
    "rq.registry.ScheduledJobRegistry": (ScheduledJobRegistry, {"remove"}),
    "rq.worker.WorkerStatus": (WorkerStatus, {"IDLE"}),
    "rq.registry.FailedJobRegistry": (FailedJobRegistry, set()),
    "rq.registry.StartedJobRegistry": (StartedJobRegistry, set()),
    "rq.scheduler.RQScheduler": (RQScheduler, {"get_locking_key"}),
    "rq.worker_registration.REDIS_WORKER_KEYS": (worker_registration, {"REDIS_WORKER_KEYS"}),
    "rq.worker_registration.WORKERS_BY_QUEUE_KEY": (worker_registration, {"WORKERS_BY_QUEUE_KEY"}),
}

SOURCES = sorted(Path(flask_streamend.__file__).parent.rglob("*.py"))


def imported() -> set[str]:
    """Return every name the package imports from RQ."""
    found = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rq":
                found |= {f"{node.module}.{name.name}" for name in node.names}
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "rq":
                found.add(f"rq.{node.attr}")
    return {name for name in found if not name.startswith("rq.exceptions.")}


def test_the_list_is_complete() -> None:
    """Each name imported from RQ is on the list above, and each on the list is imported."""
    assert imported() == set(USED)


@pytest.mark.parametrize("name", sorted(USED))
def test_the_names_are_public_and_there(name: str) -> None:
    """Each attribute on the list exists in the RQ that is installed, and none is private."""
    owner, attributes = USED[name]
    for attribute in attributes:
        assert hasattr(owner, attribute)
        assert not attribute.startswith("_")
