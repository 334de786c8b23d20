"""How each kind of panel is drawn."""

from __future__ import annotations

from dataclasses import dataclass

from grafana_foundation_sdk.models import (
    bargauge,
    common,
    heatmap,
    stat,
    statetimeline,
    table,
    text,
    timeseries,
)
from grafana_foundation_sdk.models.dashboard import FieldColorModeId

_LAST = common.ReduceDataOptions(values=False, calcs=["lastNotNull"], fields="")
_ALL_AT_ONCE = common.VizTooltipOptions(
    mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING
)


@dataclass(frozen=True)
class Look:
    """A kind of panel.

    :param kind: Grafana's name for it.
    :param options: what the kind itself is told.
    :param field: what it is told of each series, where it has something of its own to tell.
    :param color: where a series' colour comes from.
    """

    kind: str
    options: object
    field: object = None
    color: FieldColorModeId | None = FieldColorModeId.THRESHOLDS


def figure(*, named: bool = False) -> Look:
    """One number, or a few, coloured by the thresholds.

    :param named: each with its series' name, also where there is but one.
    """
    modes, ways = common.BigValueTextMode, common.VizOrientation
    options = stat.Options(
        graph_mode=common.BigValueGraphMode.NONE,
        color_mode=common.BigValueColorMode.VALUE,
        justify_mode=common.BigValueJustifyMode.AUTO,
        text_mode=modes.VALUE_AND_NAME if named else modes.AUTO,
        reduce_options=_LAST,
        percent_change_color_mode=common.PercentChangeColorMode.STANDARD,
        orientation=ways.HORIZONTAL if named else ways.AUTO,
    )
    return Look("stat", options)


def curves(*, log: bool = False, limits: bool = False) -> Look:
    """Lines over time. Points are drawn too: a rare thing is a single one.

    :param log: draw on a logarithmic scale.
    :param limits: draw the thresholds as lines.
    """
    lines = (
        common.GraphThresholdsStyleMode.DASHED if limits else common.GraphThresholdsStyleMode.OFF
    )
    scale = (
        common.ScaleDistributionConfig(type_val=common.ScaleDistribution.LOG, log=10)
        if log
        else common.ScaleDistributionConfig(type_val=common.ScaleDistribution.LINEAR)
    )
    field = timeseries.FieldConfig(
        draw_style=common.GraphDrawStyle.LINE,
        line_width=1,
        fill_opacity=0,
        show_points=common.VisibilityMode.ALWAYS,
        point_size=4,
        span_nulls=False,
        scale_distribution=scale,
        axis_soft_min=None if log else 0,
        thresholds_style=common.GraphThresholdsStyleConfig(mode=lines),
    )
    return Look("timeseries", _over_time(), field, FieldColorModeId.PALETTE_CLASSIC)


def bars() -> Look:
    """Stacked bars over time: how many in each step."""
    field = timeseries.FieldConfig(
        draw_style=common.GraphDrawStyle.BARS,
        line_width=0,
        fill_opacity=80,
        show_points=common.VisibilityMode.NEVER,
        span_nulls=False,
        stacking=common.StackingConfig(mode=common.StackingMode.NORMAL, group="A"),
        axis_soft_min=0,
        thresholds_style=common.GraphThresholdsStyleConfig(
            mode=common.GraphThresholdsStyleMode.OFF
        ),
    )
    return Look("timeseries", _over_time(), field, FieldColorModeId.PALETTE_CLASSIC)


def _over_time() -> timeseries.Options:
    return timeseries.Options(legend=_legend(), tooltip=_ALL_AT_ONCE)


def _legend() -> common.VizLegendOptions:
    return common.VizLegendOptions(
        display_mode=common.LegendDisplayMode.LIST,
        placement=common.LegendPlacement.BOTTOM,
        show_legend=True,
        calcs=[],
    )


def lanes() -> Look:
    """A lane for each series, coloured by what it was at the time; a gap where nobody knows."""
    options = statetimeline.Options(
        show_value=common.VisibilityMode.NEVER,
        align_value=common.TimelineValueAlignment.LEFT,
        legend=_legend(),
        tooltip=common.VizTooltipOptions(
            mode=common.TooltipDisplayMode.SINGLE, sort=common.SortOrder.NONE
        ),
    )
    return Look("state-timeline", options, statetimeline.FieldConfig())


def levels() -> Look:
    """A bar for each series, side by side: how many now, or in all of the range."""
    options = bargauge.Options(
        display_mode=common.BarGaugeDisplayMode.BASIC,
        value_mode=common.BarGaugeValueMode.COLOR,
        name_placement=common.BarGaugeNamePlacement.AUTO,
        sizing=common.BarGaugeSizing.AUTO,
        legend=common.VizLegendOptions(
            display_mode=common.LegendDisplayMode.LIST,
            placement=common.LegendPlacement.BOTTOM,
            show_legend=False,
            calcs=[],
        ),
        reduce_options=_LAST,
        orientation=common.VizOrientation.HORIZONTAL,
    )
    return Look("bargauge", options)


def heat() -> Look:
    """Buckets of a histogram over time, with the exemplars as dots."""
    options = heatmap.Options(
        calculate=False,
        color=heatmap.HeatmapColorOptions(
            mode=heatmap.HeatmapColorMode.SCHEME,
            scheme="Blues",
            fill="dark-blue",
            scale=heatmap.HeatmapColorScale.EXPONENTIAL,
            exponent=0.5,
            steps=64,
        ),
        rows_frame=heatmap.RowsHeatmapOptions(layout=common.HeatmapCellLayout.AUTO),
        filter_values=heatmap.FilterValueRange(le=1e-9),
        show_value=common.VisibilityMode.AUTO,
        cell_values=heatmap.CellValues(unit="short"),
        y_axis=heatmap.YAxisConfig(unit="s", axis_placement=common.AxisPlacement.LEFT),
        legend=heatmap.HeatmapLegend(show=True),
        tooltip=heatmap.HeatmapTooltip(
            mode=common.TooltipDisplayMode.SINGLE, y_histogram=False, show_color_scale=True
        ),
        exemplars=heatmap.ExemplarConfig(color="rgba(255,0,255,0.7)"),
    )
    return Look("heatmap", options)


def rows(sort_by: str = "") -> Look:
    """A table.

    :param sort_by: the column shown in descending order.
    """
    order = [common.TableSortByFieldState(display_name=sort_by, desc=True)] if sort_by else []
    options = table.Options(sort_by=order, cell_height=common.TableCellHeight.SM)
    return Look("table", options)


def words(content: str) -> Look:
    """A few sentences of Markdown."""
    return Look("text", text.Options(mode=text.TextMode.MARKDOWN, content=content), color=None)
