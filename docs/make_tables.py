"""Make the tables of the documentation from the code: ``python docs/make_tables.py``.

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``; ``tests/test_docs.py`` fails
where one is out of date.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from flask_streamend.settings import Settings
from flask_streamend.telemetry.names import ALL, Gauge
from flask_streamend.telemetry.spans import ALL as ALL_SPANS

DOCS = Path(__file__).parent

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
    return str(field.metadata["text"])


def _expected(field: Any) -> str:
    return field.metadata["check"].__doc__ or "a path, or None"


def metrics() -> str:
    """Return the table of metrics, in the order of their definition."""
    return markdown(
        ("name", "type", "labels", "what it says"),
        ([f"`{_full(metric)}`", metric.kind, _labels(metric), metric.help] for metric in ALL),
    )


def _full(metric: Gauge) -> str:
    return f"{metric.name}_total" if metric.kind == "counter" else metric.name


def _labels(metric: Gauge) -> str:
    """Return each label with its values, where they are bounded."""
    shown = (f"`{name}`" + (f": {', '.join(v)}" if v else "") for name, v in metric.labels)
    return "; ".join(shown) or "none"


def _panels(uid: str) -> str:
    """Return the table of a dashboard's panels, in the order of the page, under their headings."""
    path = DOCS.parent / "grafana" / "dashboards" / f"{uid}.json"
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    return markdown(
        ("question", "panel", "what it shows; what a bad value means"),
        (row for panel in dashboard["panels"] for row in _rows(panel)),
    )


def _rows(panel: dict[str, Any]) -> Iterator[Sequence[str]]:
    if panel["type"] == "row":
        yield f"**{panel['title']}**", "", ""
    else:
        question, meaning = panel["description"].split("\n\n")
        yield question, panel["title"], meaning
    for inner in panel.get("panels", ()):
        yield from _rows(inner)


def spans() -> str:
    """Return the table of spans, in the order of their definition."""
    return markdown(
        ("span", "kind", "what it is", "attributes"),
        ([f"`{s.name}`", s.kind, s.text, _code(s.attributes)] for s in ALL_SPANS),
    )


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


TABLES: dict[str, Callable[[], str]] = {
    "settings": settings,
    "metrics": metrics,
    "spans": spans,
    "overview": partial(_panels, "streamend-overview"),
    "event": partial(_panels, "streamend-event"),
}


def fresh(text: str) -> str:
    """Return a page with its tables made anew."""
    return _TABLE.sub(lambda found: f"{found[1]}{found[2]}{TABLES[found[1]]()}", text)


def main() -> None:
    """Write every page whose tables changed."""
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if (made := fresh(text)) != text:
            page.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
