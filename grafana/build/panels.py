"""What a panel is, and the model Grafana reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common, dashboard, prometheus, tempo

from .looks import Look

#: Said where Prometheus has nothing: the application shows every figure from its first scrape.
NOT_SCRAPED = "no data: is the application scraped?"

PROMETHEUS = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
TRACES = common.DataSourceRef(type_val="tempo", uid="${traces}")

Step = tuple[float | None, str]


def red_from(value: float) -> tuple[Step, ...]:
    """Green, and red from this value on."""
    return ((None, "green"), (value, "red"))


def amber_from(value: float) -> tuple[Step, ...]:
    """Green, and amber from this value on."""
    return ((None, "green"), (value, "orange"))


def red_below(value: float) -> tuple[Step, ...]:
    """Red, and green from this value on."""
    return ((None, "red"), (value, "green"))


BLUE: tuple[Step, ...] = ((None, "blue"),)

OK = {"0": ("no", "red"), "1": ("ok", "green")}
"""What a lane's figure says, and its colour."""


@dataclass(frozen=True)
class Query:
    """An expression, and how its result is asked for.

    :param name: of the series; Grafana's ``{{label}}`` stands for a label's value.
    :param form: ``now`` is one value, ``range`` one a step, ``table`` one value as a table's
        row, ``heat`` a histogram's buckets with exemplars.
    """

    expression: str
    name: str = ""
    form: Literal["now", "range", "table", "heat"] = "range"

    def model(self, ref: str) -> Dataquery:
        """Return it as Grafana reads it, under this letter."""
        forms = prometheus.PromQueryFormat
        kind = {"table": forms.TABLE, "heat": forms.HEATMAP}.get(self.form, forms.TIME_SERIES)
        now = self.form in ("now", "table")
        return prometheus.Dataquery(
            datasource=PROMETHEUS,
            editor_mode=prometheus.QueryEditorMode.CODE,
            expr=self.expression,
            legend_format=self.name or "__auto",
            format_val=kind,
            instant=now,
            range_val=not now,
            exemplar=self.form == "heat",
            ref_id=ref,
        )


@dataclass(frozen=True)
class Traces:
    """A search for traces."""

    expression: str

    def model(self, ref: str) -> Dataquery:
        """Return it as Grafana reads it, under this letter."""
        return tempo.Dataquery(
            datasource=TRACES,
            query_type="traceql",
            query=self.expression,
            table_type=tempo.SearchTableType.TRACES,
            limit=20,
            ref_id=ref,
        )


@dataclass(frozen=True)
class Link:
    """A way from a panel, or from a value in it, to another page."""

    title: str
    url: str

    def model(self) -> dashboard.DashboardLink:
        """Return it as Grafana reads it."""
        kind = dashboard.DashboardLinkType.LINK
        return dashboard.DashboardLink(title=self.title, url=self.url, type_val=kind)


@dataclass(frozen=True)
class Column:
    """A table's column.

    :param name: the field's name in the result: a label's, or ``Value #A``.
    :param title: what stands above it.
    """

    name: str
    title: str
    unit: str = ""
    steps: tuple[Step, ...] = ()
    links: tuple[Link, ...] = ()

    def model(self) -> dashboard.DashboardFieldConfigSourceOverrides:
        """Return it as Grafana reads it."""
        properties: dict[str, object] = {"displayName": self.title}
        if self.unit:
            properties["unit"] = self.unit
        if self.steps:
            properties["thresholds"] = thresholds(self.steps)
            properties["custom.cellOptions"] = {"type": "color-text"}
        if self.links:
            properties["links"] = [{"title": link.title, "url": link.url} for link in self.links]
        return dashboard.DashboardFieldConfigSourceOverrides(
            matcher=dashboard.MatcherConfig(id_val="byName", options=self.name),
            properties=[
                dashboard.DynamicConfigValue(id_val=i, value=v) for i, v in properties.items()
            ],
        )


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel.

    :param question: what somebody who looks at it wants to know.
    :param meaning: what a bad value means, and what to do; Markdown.
    :param size: width, in 24ths of the page, and height.
    :param steps: from which value on which colour.
    :param no_data: what stands there where there is nothing.
    :param says: what a value is shown as, with its colour.
    """

    title: str
    question: str
    meaning: str
    look: Look
    size: tuple[int, int]
    queries: tuple[Query | Traces, ...] = ()
    unit: str = "short"
    decimals: int | None = None
    steps: tuple[Step, ...] = BLUE
    no_data: str = NOT_SCRAPED
    says: dict[str, tuple[str, str]] | None = None
    columns: tuple[Column, ...] = ()
    links: tuple[Link, ...] = ()

    def model(self, number: int, x: int, y: int) -> dashboard.Panel:
        """Return it as Grafana reads it, in its place."""
        width, height = self.size
        traces = any(isinstance(query, Traces) for query in self.queries)
        return dashboard.Panel(
            id_val=number,
            type_val=self.look.kind,
            title=self.title,
            description=f"{self.question}\n\n{self.meaning}",
            datasource=TRACES if traces else PROMETHEUS,
            grid_pos=dashboard.GridPos(h=height, w=width, x=x, y=y),
            targets=[query.model(chr(ord("A") + at)) for at, query in enumerate(self.queries)],
            options=self.look.options,
            field_config=self._field_config(),
            transformations=self._transformations(),
            links=[link.model() for link in self.links],
        )

    def _field_config(self) -> dashboard.FieldConfigSource:
        if not self.queries:
            return dashboard.FieldConfigSource(defaults=dashboard.FieldConfig(), overrides=[])
        color = self.look.color
        defaults = dashboard.FieldConfig(
            unit=self.unit,
            decimals=self.decimals,
            no_value=self.no_data,
            thresholds=thresholds(self.steps),
            color=dashboard.FieldColor(mode=color) if color else None,
            mappings=[mapping(self.says)] if self.says else [],
            min_val=0 if self.look.kind == "bargauge" else None,
            custom=self.look.field,
        )
        overrides = [column.model() for column in self._all_columns()]
        return dashboard.FieldConfigSource(defaults=defaults, overrides=overrides)

    def _all_columns(self) -> tuple[Column, ...]:
        """Return the columns, the first figure's also under the name it has alone.

        Grafana calls it ``Value`` where the panel's other queries found nothing.
        """
        alone = (replace(c, name="Value") for c in self.columns if c.name == "Value #A")
        return (*self.columns, *alone)

    def _transformations(self) -> list[dashboard.DataTransformerConfig]:
        """Put a table's queries side by side, without the time of the query."""
        if not any(isinstance(query, Query) and query.form == "table" for query in self.queries):
            return []
        order = {column.name: at for at, column in enumerate(self._all_columns())}
        return [
            dashboard.DataTransformerConfig(id_val="merge", options={}),
            dashboard.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {"Time": True},
                    "indexByName": order,
                    "renameByName": {},
                },
            ),
        ]


def thresholds(steps: tuple[Step, ...]) -> dashboard.ThresholdsConfig:
    """Return the thresholds as Grafana reads them."""
    return dashboard.ThresholdsConfig(
        mode=dashboard.ThresholdsMode.ABSOLUTE,
        steps=[dashboard.Threshold(value=value, color=color) for value, color in steps],
    )


def mapping(says: dict[str, tuple[str, str]]) -> dashboard.ValueMap:
    """Return what values are shown as, as Grafana reads it."""
    return dashboard.ValueMap(
        options={
            value: dashboard.ValueMappingResult(text=text, color=color, index=at)
            for at, (value, (text, color)) in enumerate(says.items())
        }
    )
