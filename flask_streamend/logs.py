"""A formatter that applications can take: each log record as one line of JSON.

::

    "formatters": {"json": {"()": "flask_streamend.logs.JsonFormatter"}}

Needs python-json-logger: ``pip install 'flask-streamend[logs]'``.
"""

from __future__ import annotations

from collections.abc import Mapping
from logging import LogRecord
from math import isfinite
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

#: Values that lie in others at the most; deeper ones, as in one that holds itself, are only named.
DEEPEST = 20
#: Bits of a whole number that is written: Python refuses to write very long ones.
LONGEST_NUMBER = 1024


class JsonFormatter(_Formatter):
    """Writes time, level, logger, message, what a record has as ``extra``, and its trace.

    For any logger's records. E-mail addresses are masked wherever they stand, tracebacks included.
    A value that JSON can't hold is written as text, or only named.

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
        try:
            return _masked(super().default(o))
        except Exception:  # noqa: BLE001 - whatever a value of the application's does
            return _named(o)


def _masked(value: Any, within: int = 0) -> Any:
    """Return a value as JSON can have it, with addresses masked.

    :param within: how many others it lies in.
    """
    if isinstance(value, str):
        # Half a surrogate pair, as in a file's name, can't be written.
        return mask(value.encode("utf-8", "backslashreplace").decode())
    if isinstance(value, (bytes, bytearray)):
        return mask(value.decode("utf-8", "backslashreplace"))
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, int) and value.bit_length() > LONGEST_NUMBER:
        return f"a number of {value.bit_length():,} bits"
    if not isinstance(value, (Mapping, list, tuple, set, frozenset)):
        return value
    if within >= DEEPEST:
        return _named(value)
    if isinstance(value, Mapping):
        return {_key(key): _masked(one, within + 1) for key, one in value.items()}
    return [_masked(one, within + 1) for one in value]


def _key(key: Any) -> Any:
    found = _masked(key, DEEPEST)
    return found if found is None or isinstance(found, (str, int, float)) else _named(key)


def _named(value: Any) -> str:
    """Return what stands for a value that can't be written."""
    return f"<{type(value).__name__}>"
