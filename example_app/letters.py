"""Keep mails as files, one ``.eml`` each, byte for byte as they arrived."""

from __future__ import annotations

import contextlib
import os
import re
import time
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

NAME = re.compile(r"(\d{19,20})-[0-9a-f]{8}\.eml")
KEPT = 200


@dataclass(frozen=True)
class Letter:
    """Be one mail of the mailbox."""

    id: str  # the file's name without .eml
    arrived: float  # seconds since 1970
    message: EmailMessage

    def header(self, name: str) -> str:
        """Return a header as text, empty where there is none."""
        return str(self.message.get(name, ""))

    def body(self, kind: str) -> str:
        """Return the ``plain`` or the ``html`` part's text, empty where there is none."""
        part = self.message.get_body((kind,))
        if part is None:
            return ""
        try:
            return str(part.get_content())
        except (LookupError, UnicodeError):  # a character set nobody knows: show what can be shown
            return bytes(part.get_payload(decode=True) or b"").decode("ascii", "replace")


def keep(folder: Path, content: bytes) -> Path:
    """Write a mail under its time of arrival in nanoseconds; the oldest over KEPT are removed.

    A reader sees the whole file or none: it is written under another name and then renamed.
    """
    path = folder / f"{time.time_ns()}-{os.urandom(4).hex()}.eml"
    unfinished = path.with_suffix(".tmp")
    unfinished.write_bytes(content)
    unfinished.rename(path)
    for old in names(folder)[KEPT:]:
        with contextlib.suppress(FileNotFoundError):
            (folder / f"{old}.eml").unlink()
    return path


def names(folder: Path) -> list[str]:
    """Return the mails' ids, the newest first; a folder that is not there is empty."""
    try:
        found = [name for name in os.listdir(folder) if NAME.fullmatch(name)]
    except FileNotFoundError:
        return []
    return sorted((name.removesuffix(".eml") for name in found), reverse=True)


def read(folder: Path, name: str) -> Letter | None:
    """Return the mail of that id, or None; an id that is no name of ours is never a path."""
    match = NAME.fullmatch(f"{name}.eml")
    if match is None:
        return None
    try:
        content = (folder / f"{name}.eml").read_bytes()
    except FileNotFoundError:
        return None
    message = message_from_bytes(content, policy=policy.default)
    return Letter(name, int(match[1]) / 1e9, message)
