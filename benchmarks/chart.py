"""The chart of the page: bars, with a line from the lowest to the highest figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, NamedTuple

#: Places of the drawing, in its own units.
WIDTH, LEFT, RIGHT, ROW, GAP = 960, 380, 130, 26, 58

_STYLE = """
  text { fill: #1f2328; font-size: 14px }
  .head { font-weight: 600; font-size: 16px }
  .bar { fill: #afb8c1 } .own { fill: #0969da } .line { stroke: #57606a; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .bar { fill: #484f58 } .own { fill: #58a6ff } .line { stroke: #c9d1d9 }
  }
"""


class Bar(NamedTuple):
    """One figure.

    :param own: whether it is this package's.
    """

    label: str
    summary: dict[str, Any]
    own: bool


class Panel(NamedTuple):
    """Figures that are compared: less is better.

    :param form: how a figure is written.
    """

    title: str
    form: str
    bars: Sequence[Bar]


def chart(measured: dict[str, Any]) -> str:
    """Return the chart of what was measured, as SVG."""
    parts, y = [], 8
    for panel in _panels(measured):
        parts += _drawn(panel, y)
        y += GAP + ROW * len(panel.bars)
    said = "flask_streamend beside others: less is better"
    family = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {max(y, ROW)}" role="img"'
        f' aria-labelledby="t" font-family="{family}">',
        f'<title id="t">{said}</title>',
        f"<style>{_STYLE}</style>",
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _panels(measured: dict[str, Any]) -> Iterator[Panel]:
    if "connect" in measured:
        for server, found in measured["connect"]["figures"].items():
            for what, title, form in (
                ("life", "CPU of the server for a viewer who comes and goes, µs", ".0f"),
                ("kib", "memory of an idle viewer, KiB", ".0f"),
            ):
                yield Panel(f"gunicorn {server}: {title}", form, _sites(found["summary"], what))
    if "told" in measured:
        teams = measured["told"]["figures"]
        for scene in next(iter(teams.values())):
            bars = [
                Bar(team.replace("`", ""), scenes[scene]["latest"], _ours(team))
                for team, scenes in teams.items()
            ]
            yield Panel(f"{scene}: the last host told after it was due, s", ".2f", bars)


def _sites(found: dict[str, Any], what: str) -> list[Bar]:
    return [Bar(name, one[what], _ours(name)) for name, one in found.items()]


def _ours(name: str) -> bool:
    return "streamend" in name


def _drawn(panel: Panel, y: int) -> list[str]:
    most = max(bar.summary["high"] for bar in panel.bars) or 1.0
    lines = [f'<text class="head" x="12" y="{y + 24}">{escape(panel.title)}</text>']
    for number, bar in enumerate(panel.bars):
        top = y + 36 + ROW * number

        def at(figure: float) -> float:
            return round(LEFT + max(0.0, figure) / most * (WIDTH - LEFT - RIGHT), 1)

        low, middle, high = (bar.summary[name] for name in ("low", "median", "high"))
        end = at(high) + 8
        lines += [
            f'<text x="{LEFT - 10}" y="{top + 15}" text-anchor="end">{escape(bar.label)}</text>',
            f'<rect class="{"own" if bar.own else "bar"}" x="{LEFT}" y="{top + 2}"'
            f' width="{round(at(middle) - LEFT, 1)}" height="{ROW - 8}" rx="2"/>',
            f'<line class="line" x1="{at(low)}" x2="{at(high)}" y1="{top + 11}" y2="{top + 11}"/>',
            f'<text x="{end}" y="{top + 15}">{middle:{panel.form}}</text>',
        ]
    return lines
