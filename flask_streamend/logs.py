"""A formatter that applications can take: each log record as one line of JSON.

::

    "formatters": {"json": {"()": "flask_streamend.logs.JsonFormatter"}}

Needs python-json-logger: ``pip install 'flask-streamend[logs]'``.
"""

from __future__ import annotations

from collections.abc import Mapping
from logging import LogRecord
from typing import Any

try:
    from pythonjsonlogger.json import JsonEncoder as _Encoder
    from pythonjsonlogger.json import JsonFormatter as _Formatter
except ImportError as error:
    raise ImportError(
        "flask_streamend.logs needs python-json-logger: pip install 'flask-streamend[logs]'"
    ) from error

from .telemetry.logs import mask
from .telemetry.tracing import correlate

__all__ = ["JsonFormatter"]


class JsonFormatter(_Formatter):
    """Writes time, level, logger, message, what a record has as ``extra``, and its trace.

    For any logger's records. E-mail addresses are masked wherever they stand, tracebacks included.

    :param options: python-json-logger's own, where the defaults are not wanted.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        ours = {
            "fmt": "%(levelname)s %(name)s %(message)s",
            "rename_fields": {"levelname": "level", "name": "logger"},
            "timestamp": "time",
            "json_ensure_ascii": False,
        }
        if args:
            del ours["fmt"]  # it is the first of them
        # What is neither text nor number is made one by the encoder, and masked after that.
        super().__init__(*args, **{**ours, **options, "json_encoder": _MaskingEncoder})

    def format(self, record: LogRecord) -> str:
        """Return a record as a line."""
        correlate(record)
        return super().format(record)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Mask addresses in all that is to be written."""
        masked: dict[str, Any] = _masked(log_data)
        return masked


class _MaskingEncoder(_Encoder):
    def default(self, o: Any) -> Any:
        """Return something JSON knows in place of what it does not, with addresses masked."""
        return _masked(super().default(o))


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {_masked(key): _masked(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_masked(one) for one in value]
    return value
