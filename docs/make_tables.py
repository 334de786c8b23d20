"""Make the tables of the documentation from the code: ``python docs/make_tables.py``.

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``; ``tests/test_docs.py`` fails
where one is out of date.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from flask_streamend import StreamEnd
from flask_streamend.settings import Settings

DOCS = Path(__file__).parent
#: Settings that are read and checked, and that nothing uses yet.
UNUSED = frozenset({"hook_token", "hook_event_id", "end_on", "tracing", "status_page"})

_TABLE = re.compile(r"(?<=<!-- table: )(\w+)( -->\n\n).*?(?=\n\n<!-- end -->)", re.DOTALL)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def settings() -> str:
    """Return the table of settings, in the order of the class."""
    return markdown(
        ("key", "default", "what it does", "what it may be"),
        ([_key(f), _default(f.default), _text(f), _expected(f)] for f in fields(Settings)),
    )


def _key(field: Any) -> str:
    star = " *" if field.metadata["env"] else ""
    return f"`{field.metadata['key']}`{star}"


def _default(value: Any) -> str:
    if value in (None, (), ""):
        return "none"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _text(field: Any) -> str:
    text: str = field.metadata["text"]
    return f"{text} *No effect yet.*" if field.name in UNUSED else text


def _expected(field: Any) -> str:
    return field.metadata["check"].__doc__ or "a path, or None"


def metrics() -> str:
    """Return the table of metrics, as a page with one viewer on it shows them."""
    app = Flask("tables")
    app.config.update(
        STREAMEND_REDIS_URL="memory://",
        MAIL_DEFAULT_SENDER="live@example.org",
        FRONTEND_URL="https://live.example.org",
    )
    streamend = StreamEnd(app)
    with app.app_context(), streamend.viewing("jam"):
        streamend.event_clients("jam")
        page = app.test_client().get("/metrics").text
    return markdown(
        ("name", "type", "labels", "what it says"),
        sorted(
            [f"`{_full(family)}`", family.type, _labels(family), family.documentation]
            for family in text_string_to_metric_families(page)
            if family.name.startswith("streamend_")
        ),
    )


def _full(family: Any) -> str:
    return f"{family.name}_total" if family.type == "counter" else str(family.name)


def _labels(family: Any) -> str:
    """Return each label with its values, where they are bounded."""
    values: dict[str, dict[str, None]] = {}
    for sample in family.samples:
        for name, value in sample.labels.items():
            if name != "le":
                values.setdefault(name, {})[value] = None
    shown = (
        f"`{name}`" + ("" if name == "event_id" else f": {', '.join(found)}")
        for name, found in values.items()
    )
    return "; ".join(shown) or "none"


TABLES = {"settings": settings, "metrics": metrics}


def fresh(text: str) -> str:
    """Return a page with its tables made anew."""
    return _TABLE.sub(lambda found: f"{found[1]}{found[2]}{TABLES[found[1]]()}", text)


def main() -> None:
    """Write every page whose tables changed."""
    logging.disable()  # the metrics are those of an application that runs nowhere
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if (made := fresh(text)) != text:
            page.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
