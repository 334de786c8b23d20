"""Ids: text in this package, whatever they are in a database."""

from __future__ import annotations

import re
import uuid
from typing import Any

from sqlalchemy import CHAR, BigInteger, Column, Integer, SmallInteger, Uuid

_WHOLE = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)


def fit(column: Column[Any], text: str, dialect: str) -> Any:
    """Return an id as a column's type has it; None where it can't be one of that column's.

    :param dialect: the database's kind: PostgreSQL refuses to be asked for what is out of range.
    """
    kind = column.type
    if isinstance(kind, Integer):
        if not _WHOLE.fullmatch(text):
            return None
        bits = 63
        if dialect == "postgresql" and not isinstance(kind, BigInteger):
            bits = 15 if isinstance(kind, SmallInteger) else 31
        number = int(text)
        return number if -(1 << bits) <= number < 1 << bits else None
    if isinstance(kind, Uuid):
        try:
            found = uuid.UUID(text)
        except ValueError:
            return None
        if str(found) != text:
            return None
        return found if kind.as_uuid else text
    return text


def text_of(column: Column[Any], value: object) -> str:
    """Return a column's value as text; of a CHAR without the blanks that fill it."""
    text = str(value)
    return text.rstrip(" ") if isinstance(column.type, CHAR) else text
