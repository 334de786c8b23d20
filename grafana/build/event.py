"""One event's life: its viewers over time, its grace periods, its deliveries."""

from __future__ import annotations

from .controls import (
    APP_URL,
    COMMON_MARKS,
    ENDED,
    EVENT,
    EVENTS,
    INSTANCES,
    JOBS,
    OVERVIEW,
    PROMETHEI,
    TEMPO,
    link,
)
from .dashboards import Dashboard, Row
from .delivery import latency_heat
from .expressions import RANGE, live, max_by, scraped
from .looks import curves, figure, lanes, rows, words
from .panels import Link, Panel, Query, Traces, amber_from, red_below

_ID = 'event_id="$event"'
_CLIENTS = scraped("streamend_event_clients", _ID)
_VIEWERS = max_by("event_id", _CLIENTS)
_DUE = max_by("event_id", scraped("streamend_event_due_timestamp_seconds", _ID))
_NOT_ON = "not on"
_STATES = {"0": ("ending", "orange"), "1": ("live", "green")}

_PAGE = "${app_url}/streamend/events/${event:percentencode}"
_DELIVERIES = f"""\
[State and deliveries of ${{event:text}}]({_PAGE}), as the application's API has them; it asks for
STREAMEND_API_TOKEN, as a password.

An event that has ended leaves no metric of its own behind. Its deliveries are in the ledger:
`flask streamend deliveries` shows them too.
"""

LIFE = (
    Panel(
        title="State",
        question="Is it on?",
        meaning="*ending*: in its grace period. *not on*: never begun, or ended; then it has no"
        " series any more. The busiest STREAMEND_METRICS_MAX_EVENTS events have one.",
        look=figure(),
        size=(6, 4),
        queries=(Query(f"clamp_max({_VIEWERS}, 1)", form="now"),),
        says=_STATES,
        no_data=_NOT_ON,
    ),
    Panel(
        title="State over time",
        question="When was it on, and when was it about to end?",
        meaning="A gap: not on. Many changes: viewers whose connections don't hold.",
        look=lanes(),
        size=(18, 4),
        queries=(Query(f"clamp_max({_VIEWERS}, 1)", "{{event_id}}"),),
        says=_STATES,
        no_data=_NOT_ON,
    ),
    Panel(
        title="Viewers",
        question="How many watch it?",
        meaning="In all processes. 0: in its grace period.",
        look=figure(),
        size=(6, 4),
        queries=(Query(_VIEWERS, form="now"),),
        no_data=_NOT_ON,
    ),
    Panel(
        title="Time left",
        question="When does it end?",
        meaning="Seconds until it has ended, if nobody comes back. Below 0: due, and something"
        " stops it; see What stops notices on the overview.",
        look=figure(),
        size=(6, 4),
        queries=(Query(f"{_DUE} - time()", form="now"),),
        unit="s",
        steps=red_below(0),
        no_data="not about to end",
    ),
    Panel(
        title="Most viewers",
        question="How many watched at once?",
        meaning="The most any scrape in the range saw.",
        look=figure(),
        size=(6, 4),
        queries=(Query(max_by("event_id", f"max_over_time({_CLIENTS}[{RANGE}])"), form="now"),),
        no_data=_NOT_ON,
    ),
    Panel(
        title="Grace periods seen",
        question="How often had everybody left?",
        meaning="In the range. One shorter than the time between two scrapes is not seen. Many:"
        " unstable viewers, or a delay too short.",
        look=figure(),
        size=(6, 4),
        queries=(Query(f"resets(({_VIEWERS} > bool 0)[{RANGE}:15s])", form="now"),),
        steps=amber_from(5),
        no_data=_NOT_ON,
    ),
    Panel(
        title="Viewers over time",
        question="Who came and went?",
        meaning="A fall of all at once: a process died, or a network between. A gap: not on.",
        look=curves(),
        size=(24, 9),
        queries=(Query(live("event_id", _CLIENTS), "{{event_id}}"),),
        no_data=_NOT_ON,
    ),
)

DELIVERIES = Row(
    "Deliveries",
    (
        Panel(
            title="This event's deliveries",
            question="Was its host told?",
            meaning="The ledger knows; metrics keep nothing of an event that has ended.",
            look=words(_DELIVERIES),
            size=(8, 8),
            links=(Link("The application's API", _PAGE),),
        ),
        latency_heat((16, 8)),
    ),
)

TRACES = Row(
    "Traces",
    (
        Panel(
            title="Traces of its ends",
            question="What happened between the last leave and the delivery?",
            meaning="One trace an end. Needs STREAMEND_TRACING and a Tempo: docs/dashboards.md.",
            look=rows(),
            size=(24, 9),
            queries=(Traces('{ span.streamend.event_id = "$event" }'),),
            no_data="no trace: is STREAMEND_TRACING set, and is there a Tempo?",
        ),
    ),
    closed=True,
)

DASHBOARD = Dashboard(
    uid=EVENT,
    title="Stream ends: one event's life",
    description="One event: its viewers over time, its grace periods, its deliveries.",
    rows=(Row("", LIFE), DELIVERIES, TRACES),
    variables=(PROMETHEI, TEMPO, JOBS, INSTANCES, EVENTS, APP_URL),
    links=(link("Overview", OVERVIEW),),
    marks=(*COMMON_MARKS, ENDED),
)
