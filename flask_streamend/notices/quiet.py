"""Keeps out of the log what other people's libraries write of a notice: whom it goes to, and what.

An address of theirs is often a password. Whoever wants to know reads the channel's own errors.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: Who would write it: Apprise its URLs and texts; urllib3 each path, and headers it can't read.
LOGGERS = ("apprise", "urllib3.connection", "urllib3.connectionpool")

_ours: ContextVar[bool] = ContextVar("flask_streamend.quiet", default=False)


def _is_others(record: logging.LogRecord) -> bool:
    return not _ours.get()


for _name in LOGGERS:
    logging.getLogger(_name).addFilter(_is_others)


@contextmanager
def quiet() -> Iterator[None]:
    """Have nothing logged of what this thread does meanwhile; the application's own use is."""
    token = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(token)
