"""What a dashboard must have so that it works in everybody's Grafana, and explains itself."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from .reading import NAMES, Json, asking, dashboards, panels, walk

#: Kinds of panel that Grafana has; some of what old examples show it has no more.
KINDS = {"bargauge", "heatmap", "stat", "state-timeline", "table", "text", "timeseries"}
UNITS = {"dateTimeFromNow", "percentunit", "s", "short"}
FIRST_SCREEN, FIRST_PANELS = 20, 13


@pytest.fixture(params=NAMES)
def dashboard(request: pytest.FixtureRequest) -> Json:
    """Return each dashboard in turn."""
    return dashboards()[request.param]


def test_no_data_source_is_fixed(dashboard: Json) -> None:
    """Every data source is the one chosen above the panels."""
    found: list[Any] = []
    walk(dashboard, lambda key, value: found.append(value) if key == "datasource" else None)
    assert {source["uid"] for source in found} <= {"${datasource}", "${traces}"}
    assert {(s["type"], s["uid"]) for s in found if s["uid"] == "${traces}"} <= {
        ("tempo", "${traces}")
    }
    assert "${DS_" not in json.dumps(dashboard)


def test_a_panel_and_each_of_its_queries_name_the_data_source(dashboard: Json) -> None:
    """None is left to Grafana's default."""
    for panel in asking(dashboard):
        assert panel["datasource"], panel["title"]
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"], panel["title"]


def test_the_data_source_is_the_first_variable(dashboard: Json) -> None:
    """Then job, event, queue in this order: each is offered for what was chosen before it."""
    found = [variable["name"] for variable in dashboard["templating"]["list"]]
    assert found[0] == "datasource"
    order = [name for name in ("datasource", "job", "event", "queue") if name in found]
    assert [name for name in found if name in order] == order


def test_variables_are_used_and_what_is_used_is_one(dashboard: Json) -> None:
    """Each is in some query or link, and nothing refers to one that is not there."""
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    rest = json.dumps({key: value for key, value in dashboard.items() if key != "templating"})
    used = set(re.findall(r"\$\{?(?!__)([a-z_]+)", rest))
    assert used == variables


def test_offered_values_follow_the_range(dashboard: Json) -> None:
    """So an event that has ended is offered while the range holds it."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            assert variable["refresh"] == 2, variable["name"]
            assert not variable["multi"] or variable["allValue"] == ".+", variable["name"]


def test_each_panel_explains_itself(dashboard: Json) -> None:
    """A question, and what a bad value means; no two have the same title."""
    titles = [panel["title"] for panel in panels(dashboard)]
    assert len(titles) == len(set(titles))
    for panel in panels(dashboard):
        question, blank, meaning = panel["description"].split("\n", 2)
        assert question.endswith("?"), panel["title"]
        assert not blank
        assert len(meaning) > 20, panel["title"]
        assert meaning.endswith("."), panel["title"]


def test_each_panel_has_a_unit_and_thresholds(dashboard: Json) -> None:
    """A number without a unit is a riddle."""
    for panel in asking(dashboard):
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in UNITS, panel["title"]
        first, *rest = defaults["thresholds"]["steps"]
        assert first["value"] is None
        values = [step["value"] for step in rest]
        assert values == sorted(values), panel["title"]


def test_each_panel_says_what_no_data_means(dashboard: Json) -> None:
    """Calm and not scraped are told apart."""
    for panel in asking(dashboard):
        assert len(panel["fieldConfig"]["defaults"]["noValue"]) > 5, panel["title"]


def test_only_kinds_that_grafana_has(dashboard: Json) -> None:
    """No panel of a kind that was retired."""
    assert {panel["type"] for panel in panels(dashboard)} <= KINDS


def test_ids_are_unique(dashboard: Json) -> None:
    """Panels and rows are numbered, and a panel's queries have letters."""
    found = [p for one in dashboard["panels"] for p in (one, *one.get("panels", ()))]
    ids = [panel["id"] for panel in found]
    assert sorted(ids) == list(range(1, len(ids) + 1))
    for panel in panels(dashboard):
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == [chr(ord("A") + at) for at in range(len(letters))], panel["title"]


def test_panels_lie_on_the_grid_without_overlap_or_hole(dashboard: Json) -> None:
    """Every cell of 24 columns, from the first line to the last, is of one panel."""
    taken: dict[tuple[int, int], str] = {}
    for panel in (p for one in dashboard["panels"] for p in (one, *one.get("panels", ()))):
        at = panel["gridPos"]
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert (x, y) not in taken, (panel["title"], taken[x, y])
                assert 0 <= x < 24, panel["title"]
                taken[x, y] = panel["title"]
    lines = {y for _, y in taken}
    assert lines == set(range(len(lines)))
    assert len(taken) == 24 * len(lines)


def test_the_overview_s_first_screen_has_what_is_asked_first() -> None:
    """The first 13 panels, 20 lines high, without a row's heading between them."""
    first = dashboards()["streamend-overview"]["panels"][:FIRST_PANELS]
    assert all(panel["type"] != "row" for panel in first)
    assert max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in first) == FIRST_SCREEN


def test_rows_of_what_a_stock_grafana_lacks_are_closed(dashboard: Json) -> None:
    """Traces are asked for only where somebody opens their row."""
    for panel in dashboard["panels"]:
        assert panel["type"] == "row" or panel.get("datasource", {}).get("type") != "tempo"
        assert panel["type"] != "row" or panel["collapsed"] == bool(panel["panels"])


def test_links_lead_to_dashboards_that_are_there(dashboard: Json) -> None:
    """Between ours they carry the range and what was chosen; ids in them are encoded."""
    urls: list[str] = []
    walk(dashboard, lambda key, value: urls.append(value) if key == "url" else None)
    assert urls
    for url in urls:
        if found := re.match(r"/d/([\w-]+)", url):
            assert found[1] in dashboards(), url
        assert not re.search(r"\$\{(event|__value\.raw)\}", url), url
    for link in dashboard["links"]:
        assert link["includeVars"], link["title"]
        assert link["keepTime"], link["title"]
        assert "placement" not in link, link["title"]


def test_the_heat_map_shows_single_notices() -> None:
    """It asks for exemplars, over raw buckets; nothing else asks for them."""
    for dashboard in dashboards().values():
        for panel in asking(dashboard):
            asks = [target.get("exemplar", False) for target in panel["targets"]]
            assert any(asks) == (panel["type"] == "heatmap"), panel["title"]
