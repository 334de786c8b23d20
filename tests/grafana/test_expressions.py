"""No expression names what does not exist, and nothing that exists is shown nowhere."""

from __future__ import annotations

import re

import promql_parser as promql
import pytest

from flask_streamend.telemetry import names

from .reading import (
    BURN,
    METRICS,
    NAMES,
    OF_PROMETHEUS,
    Expression,
    base_of,
    dashboards,
    expressions,
    queries,
)

#: Recorded of each: the rules' file says so, and a test of its own that it does.
RECORDED = {f"{metric.name}_total" for metric in names.COUNTERS}
RECORDED |= {f"{metric.name}_bucket" for metric in names.HISTOGRAMS}
RECORDED |= {f"{names.LATENCY_SECONDS.name}_count"}
WINDOWS = {"5m", "30m", "1h", "2h", "6h", "1d", "3d"}
SCRAPED_LABELS = {"job", "instance", "le"}
ALERT_LABELS = {"alertname", "alertstate", "severity"}


@pytest.fixture(params=NAMES)
def all_of(request: pytest.FixtureRequest) -> list[Expression]:
    """Return all PromQL of each dashboard in turn."""
    return expressions(dashboards()[request.param])


def selectors(expression: Expression) -> list[promql.VectorSelector]:
    """Return every selector in an expression."""
    return [selector for selector, _ in asked(expression)]


def asked(expression: Expression) -> list[tuple[promql.VectorSelector, str]]:
    """Return every selector, with the function that takes a range of it, if one does."""
    found: list[tuple[promql.VectorSelector, str]] = []
    for node, above in expression.nodes():
        if isinstance(node, promql.VectorSelector):
            call = above[-2] if above and isinstance(above[-1], promql.MatrixSelector) else None
            found.append((node, call.func.name if isinstance(call, promql.Call) else ""))
    return found


def test_each_metric_exists(all_of: list[Expression]) -> None:
    """What is selected is a sample of the contract, a recorded series, or Prometheus's own."""
    for expression in all_of:
        for selector in selectors(expression):
            assert selector.name
            if found := BURN.fullmatch(selector.name):
                assert found[2] in WINDOWS
            elif selector.name.startswith("job:"):
                assert base_of(selector.name) in RECORDED, selector.name
            else:
                assert selector.name in METRICS.keys() | OF_PROMETHEUS, selector.name


def test_each_label_and_value_exists(all_of: list[Expression]) -> None:
    """Selectors name labels that the metric has, and values that the labels can take."""
    for expression in all_of:
        for selector in selectors(expression):
            metric = METRICS.get(base_of(selector.name or ""))
            labels = dict(metric.labels) if metric else dict.fromkeys(ALERT_LABELS, ())
            for matcher in selector.matchers.matchers:
                assert matcher.name in labels.keys() | SCRAPED_LABELS, (selector.name, matcher.name)
                known = labels.get(matcher.name, ())
                for value in matcher.value.split("|"):
                    assert not known or value in known, (selector.name, matcher.name, value)
                if matcher.name == "le" and isinstance(metric, names.Histogram):
                    assert matcher.value == "+Inf" or float(matcher.value) in metric.bounds


def test_each_metric_is_shown() -> None:
    """Every metric of the contract is on some panel."""
    shown = {
        METRICS[base]
        for dashboard in dashboards().values()
        for query in queries(dashboard)
        for selector in selectors(query)
        if (base := base_of(selector.name or "")) in METRICS
    }
    assert {metric.name for metric in names.ALL} - {metric.name for metric in shown} == set()


def test_counters_rise_and_are_not_shown_bare(all_of: list[Expression]) -> None:
    """A counter stands in ``increase``: its own value says only how old it is."""
    for expression in all_of:
        counting = {name for name, metric in METRICS.items() if metric.kind != "gauge"}
        for selector, function in asked(expression):
            rising = base_of(selector.name or "") in counting
            assert rising == (function == "increase"), expression.raw


def test_counters_are_recorded_before_they_rise(all_of: list[Expression]) -> None:
    """Over a restart ``increase`` of single processes misses what they counted meanwhile.

    The heat map alone takes them as they are: exemplars are found by their own series only.
    """
    for expression in all_of:
        raw = {name for name, metric in METRICS.items() if metric.kind != "gauge"}
        if expression.place != "Every notice's latency":
            assert not raw & {selector.name for selector in selectors(expression)}, expression.raw


def test_windows_fit_what_is_asked(all_of: list[Expression]) -> None:
    """A graph looks back one step, a single figure over the range; nothing else is fixed."""
    for expression in all_of:
        windows = set(re.findall(r"\[([^]]+)\]", expression.raw))
        allowed = {"$__range", "$__range:1m", "$__range:15s", "1m", "30d"}
        assert windows <= (allowed if expression.instant else {"$__rate_interval"}), expression.raw


def test_nothing_is_made_up(all_of: list[Expression]) -> None:
    """No ``absent``, and no ``or vector(0)``: what is not there is shown as not there."""
    made_up = {"absent", "absent_over_time", "vector"}
    for expression in all_of:
        nodes = [node for node, _ in expression.nodes()]
        called = {node.func.name for node in nodes if isinstance(node, promql.Call)}
        assert not called & made_up, expression.raw
