"""What the server this process runs under can hold; looked at with the first request."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

#: Descriptors a process needs beside its viewers': listeners, logs, Redis, mail.
RESERVED_FILES = 64
#: gunicorn's limit of what is open at once, requests included.
CONNECTIONS = "--worker-connections"


@dataclass(frozen=True)
class Capacity:
    """What one process can hold.

    :param server: the server's name, as a person knows it.
    :param limit: viewers and requests at once by the server's own settings; None: not limited.
    :param setting: which setting that is.
    :param files: open files the process may have.
    :param problem: the problem code where the server can't hold a socket.
    """

    server: str
    limit: int | None
    setting: str
    files: int
    problem: str | None = None

    @property
    def room(self) -> int:
        """Return how many viewers there is room for."""
        files = max(0, self.files - RESERVED_FILES)
        return files if self.limit is None else min(files, self.limit)

    def __str__(self) -> str:
        by = f" {self.setting} {self.limit:,}" if self.limit is not None else ""
        return f"room for {self.room:,} viewers ({self.server}{by}, {self.files:,} open files)"


def look(environ: Mapping[str, Any]) -> Capacity:
    """Return what the server of a request can hold.

    :param environ: the request's WSGI environment.
    """
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if "werkzeug.socket" in environ:
        return Capacity("development server", None, "", files)
    if "gunicorn.socket" in environ:
        worker = gunicorn_worker()
        kind = type(worker).__module__.rpartition(".")[2].lstrip("g") if worker else ""
        if kind in ("event", "thread"):
            name, limits = f"gunicorn g{kind}", [(int(worker.cfg.worker_connections), CONNECTIONS)]
            if kind == "thread":
                # More threads than connections stay idle.
                limits.append((int(worker.cfg.threads), "--threads"))
            return Capacity(name, *min(limits), files)
        if kind == "sync":
            return Capacity("gunicorn sync", 1, "one request at a time", files, "sync-worker")
        return Capacity("gunicorn", None, "", files)
    if str(environ.get("SERVER_SOFTWARE", "")).startswith("gevent"):
        return Capacity("gevent's pywsgi", None, "", files)
    name = "uWSGI" if "uwsgi.version" in environ else str(environ.get("SERVER_SOFTWARE", ""))
    if not name:
        return Capacity("a server that does not say its name", None, "", files)
    return Capacity(name, None, "", files, "server-unsupported")


def gunicorn_worker() -> Any:
    """Return gunicorn's worker object, or None.

    It is in nobody's reach but the call stack's: one of its methods loads the application, and
    one handles the request.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        owner = frame.f_locals.get("self")
        if type(owner).__module__.startswith("gunicorn.workers."):
            return owner
        frame = frame.f_back
    return None
