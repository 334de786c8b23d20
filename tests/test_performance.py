"""The pages with figures say what was measured last."""

from __future__ import annotations

from benchmarks import page
from benchmarks.chart import chart

from .apps.pages import text_of


def test_the_pages_are_made_of_what_was_measured() -> None:
    """``python -m benchmarks.page`` would change neither a page nor the chart."""
    measured = page.kept()
    for made in page.PAGES:
        assert page.fresh(text_of(made), measured) == text_of(made), "python -m benchmarks.page"
    assert chart(measured) == page.CHART.read_text(encoding="utf-8")


def test_every_table_of_the_pages_was_measured() -> None:
    """No page has a table that nobody has measured yet."""
    for made in page.PAGES:
        assert "Not measured yet." not in text_of(made)
