"""Variables, links and annotations: what stands above the panels."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard, prometheus
from grafana_foundation_sdk.models.dashboard import VariableModel, VariableOption, VariableType

from .expressions import JOB, max_by, select
from .panels import PROMETHEUS

TAG = "streamend"
OVERVIEW = "streamend-overview"
EVENT = "streamend-event"
#: Variables a link carries along.
CARRIED = "${datasource:queryparam}&${job:queryparam}&${app_url:queryparam}&${__url_time_range}"

SITE = "http://localhost:8081"
#: An expression finds every value: also one that holds characters of a pattern.
ANY = ".+"


def data_source(name: str, label: str, kind: str, description: str) -> VariableModel:
    """Return a choice among the data sources of a kind; no dashboard names one by itself."""
    return VariableModel(
        type_val=VariableType.DATASOURCE,
        name=name,
        label=label,
        description=description,
        query=kind,
        refresh=dashboard.VariableRefresh.ON_DASHBOARD_LOAD,
        options=[],
        regex="",
    )


def values_of(
    label: str, metric: str, title: str, *matchers: str, name: str = "", many: bool = False
) -> VariableModel:
    """Return a choice among a label's values in the chosen range.

    :param many: several may be chosen, and all of them are at first.
    """
    query = f"label_values({select(metric, *matchers)}, {label})"
    everything = VariableOption(selected=True, text=["All"], value=["$__all"])
    return VariableModel(
        type_val=VariableType.QUERY,
        name=name or label,
        label=title,
        datasource=PROMETHEUS,
        query={"query": query, "refId": f"variable-{name or label}"},
        refresh=dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=dashboard.VariableSort.NATURAL_ASC,
        multi=many,
        include_all=many,
        all_value=ANY if many else None,
        current=everything if many else None,
        options=[],
        regex="",
    )


def typed(name: str, label: str, value: str, description: str) -> VariableModel:
    """Return a field to type into."""
    chosen = VariableOption(selected=True, text=value, value=value)
    return VariableModel(
        type_val=VariableType.TEXTBOX,
        name=name,
        label=label,
        description=description,
        query=value,
        current=chosen,
        options=[chosen],
    )


PROMETHEI = data_source("datasource", "Data source", "prometheus", "The Prometheus that scrapes.")
TEMPO = data_source("traces", "Traces", "tempo", "Where traces are kept, if anywhere.")
JOBS = values_of("job", "streamend_store_up", "Application")
INSTANCES = values_of("instance", "streamend_store_up", "Processes", JOB, many=True)
QUEUES = values_of("queue", "streamend_queue_jobs", "Queues", JOB, many=True)
EVENTS = values_of("event_id", "streamend_event_clients", "Event", JOB, name="event")
APP_URL = typed("app_url", "Site", SITE, "Where the application answers, for links to its API.")


def link(title: str, uid: str) -> dashboard.DashboardLink:
    """Return a link to another dashboard of ours, with the choices made here."""
    return dashboard.DashboardLink(
        title=title,
        type_val=dashboard.DashboardLinkType.LINK,
        url=f"/d/{uid}",
        icon="dashboard",
        tooltip="",
        tags=[],
        include_vars=True,
        keep_time=True,
    )


def annotation(name: str, color: str, expression: str, title: str) -> dashboard.AnnotationQuery:
    """Return marks on every graph where an expression has values."""
    query = prometheus.Dataquery(
        datasource=PROMETHEUS,
        editor_mode=prometheus.QueryEditorMode.CODE,
        expr=expression,
        ref_id=f"annotation-{name.lower().replace(' ', '-')}",
        range_val=True,
        instant=False,
        interval="15s",
    )
    return dashboard.AnnotationQuery(
        name=name,
        datasource=PROMETHEUS,
        enable=True,
        icon_color=color,
        target=query,
        title_format=title,
    )


def _new(labels: str, selector: str, ago: str) -> str:
    """Return what is there now and was not some time ago."""
    now = f"group by ({labels}) ({selector})"
    return f"{now} unless group by ({labels}) ({selector} offset {ago})"


def _gone(labels: str, selector: str, ago: str) -> str:
    """Return what was there some time ago and is not now."""
    then = f"group by ({labels}) ({selector} offset {ago})"
    return f"{then} unless group by ({labels}) ({selector})"


_FIRING = select("ALERTS", 'alertname=~"Streamend.+"', 'job=~"$job|"', 'alertstate="firing"')
_HELD = max_by("reason", select("streamend_paused", JOB))
_WATCHED = select("streamend_event_clients", JOB, 'event_id="$event"')

COMMON_MARKS = (
    annotation("Alerts", "red", max_by("alertname, severity", _FIRING), "{{alertname}}"),
    annotation(
        "New version",
        "blue",
        _new("version", select("streamend_info", JOB), "5m"),
        "flask-streamend {{version}}",
    ),
    annotation("Ends wait", "orange", f"{_HELD} == 1", "ends wait: {{reason}}"),
)
ENDED = annotation("Event ended", "purple", _gone("event_id", _WATCHED, "1m"), "ended")
