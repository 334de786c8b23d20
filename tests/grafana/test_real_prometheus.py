"""Dashboards and alerts on a real Prometheus, which watches a real system well and in trouble."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from grafana.build.alerts import ALERTS

from ..conftest import missing
from ..servers import redis_program
from .expected import COMPUTED, DRAWN, EVENT, FIRING, OVERVIEW, Expected
from .prometheus import SCRAPE, labels
from .reading import dashboards, panels
from .story import ENDS, SHOW, Story

#: What Grafana would fill in.
FILLED_IN = {
    "$__rate_interval": f"{4 * SCRAPE}s",
    "$__range": "1h",
    "$job": "live",
    "$instance": ".+",
    "$queue": ".+",
    "$event": SHOW,
}
TABLES = {"streamend-overview": OVERVIEW, "streamend-event": EVENT}


def filled(expr: str) -> str:
    """Return an expression as Grafana sends it."""
    for name, value in FILLED_IN.items():
        expr = re.sub(rf"{re.escape(name)}(?!\w)", value, expr)
    assert "$" not in expr
    return expr


def expressions() -> dict[tuple[str, str], str]:
    """Return every expression of panels and marks, by dashboard and its name there."""
    found = {}
    for file, dashboard in dashboards().items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                if target["datasource"]["type"] == "prometheus":
                    found[file, f"{panel['title']} {target['refId']}"] = filled(target["expr"])
        for mark in dashboard["annotations"]["list"]:
            found[file, mark["name"]] = filled(mark["target"]["expr"])
    return found


EXPRESSIONS = expressions()
SHOWN = [
    (file, name, moment)
    for file, table in TABLES.items()
    for name, moments in table.items()
    for moment in moments
]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Return all that has happened; Prometheus can still be asked."""
    program = redis_program()
    if program is None:
        missing("redis-server", "apt-get install redis-server")
        return
    story = Story(tmp_path_factory.mktemp("story"), program)
    try:
        story.tell()
        yield story
    finally:
        story.stop()


def test_every_expression_has_an_expectation() -> None:
    """No panel is added that nobody has seen with data."""
    for file, name in EXPRESSIONS:
        assert name in TABLES[file] or name in DRAWN or name in COMPUTED, (file, name)
    names = {name for _, name in EXPRESSIONS}
    assert {*OVERVIEW, *EVENT, *DRAWN, *COMPUTED} <= names


@pytest.mark.parametrize(("file", "name"), EXPRESSIONS)
def test_an_expression_has_data(story: Story, file: str, name: str) -> None:
    """It is evaluated at every moment, and as a graph over all of them, which is not empty."""
    expr = EXPRESSIONS[file, name]
    for at in story.moments.values():
        story.prometheus.instant(expr, at)
    assert story.prometheus.over(expr, story.began, story.ended)


@pytest.mark.parametrize(("file", "name", "moment"), SHOWN)
def test_a_panel_shows_what_is_so(story: Story, file: str, name: str, moment: str) -> None:
    """A figure is what happened implies, to the unit."""
    expected: Expected = TABLES[file][name][moment]
    found = story.prometheus.instant(EXPRESSIONS[file, name], story.moments[moment])
    if callable(expected):
        assert expected(found), found
    else:
        assert found == pytest.approx(expected)


@pytest.mark.parametrize("name", DRAWN)
def test_a_graph_shows_what_was_so(story: Story, name: str) -> None:
    """Each series that is implied is drawn, and is at some time as it must have been."""
    for (_, other), expr in EXPRESSIONS.items():
        if other == name:
            found = story.prometheus.over(expr, story.began, story.ended)
            for series, true in DRAWN[name].items():
                assert any(map(true, found[series])), (series, found)


def test_fifty_ends_are_fifty_whichever_process_answers(story: Story) -> None:
    """Either process shows all fifty, though each held half and a worker told them."""
    at = story.moments["well"]
    for sample in (
        'streamend_notifications_total{status="sent"}',
        'streamend_grace_periods_total{result="ended"}',
        "streamend_notification_latency_seconds_count",
        "streamend_event_duration_seconds_count",
    ):
        found = story.prometheus.instant(f"sum by (instance) ({sample})", at)
        assert found == {labels(instance=instance): ENDS for instance in story.instances}


@pytest.mark.parametrize("moment", ["well", "told late", "back"])
def test_the_objective_is_what_counters_say(story: Story, moment: str) -> None:
    """Told in time, and the burn rates, follow from the raw counters."""
    prometheus, at = story.prometheus, story.moments[moment]

    def raw(sample: str) -> float:
        (value,) = prometheus.instant(f"max({sample})", at).values()
        return value

    name = "streamend_notification_latency_seconds"
    told = raw(f"{name}_count") + raw('streamend_notifications_total{status="dead"}')
    good = raw(f'{name}_bucket{{le="5.0"}}') / told
    for panel in ("Told within 5 s A", "Objective, 30 days A"):
        found = prometheus.instant(EXPRESSIONS["streamend-overview", panel], at)
        assert found == pytest.approx({labels(job="live"): good})
    for ref in "ABC":
        expr = EXPRESSIONS["streamend-overview", f"Burn rate {ref}"]
        assert prometheus.instant(expr, at) == pytest.approx({labels(job="live"): 100 * (1 - good)})


def test_errors_have_their_number_and_times(story: Story) -> None:
    """As many as the counter says, the first and the last while the story went on."""
    # The first was over a minute before, and times are found to the minute.
    at, channel = story.moments["back"], labels(stage="channel")
    count, first, last = (
        story.prometheus.instant(
            EXPRESSIONS["streamend-overview", f"Errors: how many, first, last {ref}"], at
        )[channel]
        for ref in "ABC"
    )
    (raw,) = story.prometheus.instant('max(streamend_errors_total{stage="channel"})', at).values()
    assert count == raw
    assert story.began * 1000 <= first <= last <= at * 1000


def test_the_heat_map_s_dots_name_their_events(story: Story) -> None:
    """Its expression finds exemplars: the event of each, and how late it was told."""
    expr = EXPRESSIONS["streamend-overview", "Every notice's latency A"]
    found = list(story.prometheus.exemplars(expr, story.began, story.ended))
    by_event = {one["labels"]["event_id"]: float(one["value"]) for one in found}
    assert any(event_id.startswith("host-") for event_id in by_event)
    late = [value for event_id, value in by_event.items() if event_id.startswith("late-")]
    assert late
    assert min(late) > 5


@pytest.mark.parametrize("moment", FIRING)
def test_alerts_fire_when_their_condition_is_there(story: Story, moment: str) -> None:
    """While all is well none does; each failure has its own. The story waits until they resolve."""
    firing = story.prometheus.firing(story.moments[moment])
    if FIRING[moment]:
        assert firing >= FIRING[moment]
    else:
        assert not firing


def test_no_alert_fires_before_something_fails(story: Story) -> None:
    """From when all is scraped until all fifty are told, at no time."""
    alerts = 'ALERTS{alertstate="firing"}'
    assert not story.prometheus.over(alerts, story.moments["idle"], story.moments["well"])


def test_all_alerts_but_one_were_brought_about() -> None:
    """The rest is left to promtool: while a process lives to be scraped, somebody sweeps."""
    assert {alert.name for alert in ALERTS} - set().union(*FIRING.values()) == {"PresenceStuck"}
