"""The package's logger, and masks for what must not be read in a log."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from flask.logging import default_handler, has_level_handler

log = logging.getLogger("flask_streamend")

_PART = r"""[^\s@<>"'(),;:\[\]]"""
#: Deliberately broad: a mask too many hurts nobody. Quoted, in brackets and in links too. A match
#: begins only where a part does: tried at each character, a long text would take hours.
_ADDRESS = re.compile(
    rf"""(?:(?<!{_PART}){_PART}+|"[^"\n]{{0,64}}")(?:@|%40)(?:{_PART}+|\[[^\]\s]{{0,64}}\])"""
)
#: What is not ASCII of a header, as mail has it (RFC 2047): a subject that a server repeats.
_ENCODED = re.compile(r"=\?[\w-]{1,40}\?[bq]\?[^?\s]{0,100}\?=", re.IGNORECASE)
#: What would begin another line, or steer a terminal.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def _mask_trace(record: logging.LogRecord) -> bool:
    """Mask the addresses in a record's traceback, whatever handler writes it."""
    if record.exc_info and not record.exc_text:
        # Formatters take a text that is there already.
        record.exc_text = mask(_plain.formatException(record.exc_info))
    return True


_plain = logging.Formatter()
log.addFilter(_mask_trace)


def make_visible() -> None:
    """Have this package's lines shown where the application configured no logging.

    As Flask and Werkzeug do for theirs, and as late: an application that configures logging after
    the extension was made is not given each line twice.
    """
    if log.level == logging.NOTSET:
        log.setLevel(logging.INFO)
    if not has_level_handler(log):
        log.addHandler(default_handler)


def mask_address(address: str) -> str:
    """Return an e-mail address as a log may show it: ``h***@example.org``."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}***{at}{domain}" if at else "***"


def mask(text: str) -> str:
    """Return a text with the addresses in it masked."""
    return _ADDRESS.sub(lambda match: mask_address(match.group()), text)


def ids(traceparent: str) -> dict[str, str]:
    """Return what a log record carries of a trace's context."""
    parts = traceparent.split("-")
    return {"trace_id": parts[1], "span_id": parts[2]} if len(parts) == 4 else {}


def printable(text: str) -> str:
    """Return a text as one line that a terminal may have.

    What a mail server or another site said may have several lines, or hold a terminal's commands.
    """
    line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def mask_text(text: str, limit: int = 300, private: Iterable[str] = ()) -> str:
    """Return a text, such as a server's answer, masked, bounded, and in one line.

    :param private: what must not be in it either; texts of one or two letters tell nothing.
    """
    masked = _one_line(_ENCODED.sub("…", mask(text)))
    for secret in map(_one_line, private):
        if len(secret) > 2:
            masked = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "…", masked, flags=re.IGNORECASE)
    return masked if len(masked) <= limit else masked[: limit - 1] + "…"


def _one_line(text: str) -> str:
    return " ".join(_CONTROL.sub(" ", text).split())


def error_text(error: BaseException, private: Iterable[str] = ()) -> str:
    """Return an error as logs and the ledger may show it; its own text may be anybody's.

    A mail server may repeat what it was told, and that is private.
    """
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an application's own kind of error
        text = "it has no text"
    return mask_text(f"{type(error).__name__}: {text}", private=private)
