"""gunicorn hooks for ``--preload`` and ``--max-requests``: ``-c python:flask_streamend.gunicorn``.

Without either, nothing needs to be configured. With ``--preload`` the application is loaded before
gunicorn sets a worker's signals, and with ``--max-requests`` a worker stops without any.
"""

from __future__ import annotations

from typing import Any


def _drain() -> None:
    from .drain import drain
    from .state import living

    for state in list(living):
        drain(state)


def post_worker_init(worker: Any) -> None:
    """Drain on a stop signal."""
    from .drain import chain

    chain(_drain)


def post_request(worker: Any, _req: Any, _environ: Any, _resp: Any) -> None:
    """Drain when this request was the worker's last."""
    if not worker.alive:
        _drain()
