"""Panels on a grid, and a dashboard as the bytes that are checked in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from .controls import TAG
from .panels import Panel

WIDTH = 24
#: What the kit writes and Grafana's own types don't have, or that would hide something.
_SUPERFLUOUS = {
    "variable": ("auto", "auto_min", "auto_count"),
    "link": ("placement",),
    "annotation": ("placement", "builtIn"),
    "options": ("footer",),
}


@dataclass(frozen=True)
class Row:
    """Panels under a heading.

    :param title: the heading; none for what stands at the top.
    :param closed: whether it has to be opened first; until then nothing in it is asked for.
    """

    title: str
    panels: tuple[Panel, ...]
    closed: bool = False


@dataclass(frozen=True)
class Dashboard:
    """One dashboard.

    :param uid: a part of its address, and of links to it.
    """

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[dashboard.VariableModel, ...]
    links: tuple[dashboard.DashboardLink, ...] = ()
    marks: tuple[dashboard.AnnotationQuery, ...] = ()
    tags: list[str] = field(default_factory=lambda: [TAG])

    def model(self) -> dashboard.Dashboard:
        """Return it as Grafana reads it."""
        return dashboard.Dashboard(
            uid=self.uid,
            title=self.title,
            description=self.description,
            tags=self.tags,
            time=dashboard.DashboardDashboardTime(from_val="now-1h", to="now"),
            timepicker=dashboard.TimePickerConfig(),
            refresh="30s",
            timezone="browser",
            editable=True,
            graph_tooltip=dashboard.DashboardCursorSync.CROSSHAIR,
            panels=list(placed(self.rows)),
            templating=dashboard.DashboardDashboardTemplating(list_val=list(self.variables)),
            annotations=dashboard.AnnotationContainer(list_val=list(self.marks)),
            links=list(self.links),
        )

    def text(self) -> str:
        """Return it as the file's text, the same whenever it is made."""
        plain = json.loads(json.dumps(self.model(), cls=JSONEncoder))
        return json.dumps(_without_superfluous(plain), sort_keys=True, indent=2) + "\n"


def placed(rows: tuple[Row, ...]) -> Iterator[dashboard.Panel | dashboard.RowPanel]:
    """Return every panel in its place, numbered from 1: left to right, a new line where full.

    :raises ValueError: where a line's panels leave a gap, or differ in height.
    """
    number, y = 0, 0
    for row in rows:
        heading: dashboard.RowPanel | None = None
        if row.title:
            number += 1
            position = dashboard.GridPos(h=1, w=WIDTH, x=0, y=y)
            heading = dashboard.RowPanel(
                title=row.title, id_val=number, grid_pos=position, collapsed=row.closed, panels=[]
            )
            y += 1
            yield heading
        x, height = 0, 0
        for panel in row.panels:
            number += 1
            if x and panel.size[1] != height:
                raise ValueError(f"{panel.title}: {panel.size[1]} high in a line of {height}")
            height = panel.size[1]
            made = panel.model(number, x, y)
            x += panel.size[0]
            if x > WIDTH:
                raise ValueError(f"{panel.title}: the line is {x} wide, not {WIDTH}")
            if x == WIDTH:
                x, y = 0, y + height
            if heading and row.closed:
                assert heading.panels is not None
                heading.panels.append(made)
            else:
                yield made
        if x:
            raise ValueError(f"the last line of {row.title or 'the top'} is {x} wide, not {WIDTH}")


def _without_superfluous(plain: dict[str, object]) -> dict[str, object]:
    def strip(item: dict[str, object], kind: str) -> None:
        for key in _SUPERFLUOUS[kind]:
            item.pop(key, None)

    def each(item: object, *path: str) -> Iterator[dict[str, object]]:
        for key in path:
            item = item.get(key) if isinstance(item, dict) else None
        yield from item if isinstance(item, list) else ()

    for variable in each(plain, "templating", "list"):
        strip(variable, "variable")
    for link in each(plain, "links"):
        strip(link, "link")
    for mark in each(plain, "annotations", "list"):
        strip(mark, "annotation")
    for panel in [p for q in each(plain, "panels") for p in (q, *each(q, "panels"))]:
        options = panel.get("options")
        if isinstance(options, dict):
            strip(options, "options")
        for link in each(panel, "links"):
            strip(link, "link")
    return plain
