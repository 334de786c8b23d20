"""The overview: what is on, was every host told, and if not, why.

Its first screen answers in the order in which an operator asks.
"""

from __future__ import annotations

from . import overview_rows
from .controls import (
    APP_URL,
    CARRIED,
    COMMON_MARKS,
    EVENT,
    INSTANCES,
    JOBS,
    OVERVIEW,
    PROMETHEI,
    QUEUES,
    link,
)
from .dashboards import Dashboard, Row
from .expressions import (
    IN_TIME,
    LATENCY,
    OURS,
    QUEUE,
    RANGE,
    STEP,
    in_time,
    increase,
    live,
    max_by,
    quantile,
    scraped,
    select,
    unaccounted,
)
from .looks import curves, figure, lanes, rows
from .panels import OK, Column, Link, Panel, Query, red_below, red_from

_OVERDUE = "streamend_notifications_overdue"
_TRIED = max_by("job, state", scraped(_OVERDUE, 'state!="pending"'))
_WORKERS = max_by("job, queue, state", scraped("streamend_workers", QUEUE))
_WATCHED = max_by("job, state", scraped("streamend_events"))
_SWEPT = max_by("job", scraped("streamend_last_sweep_timestamp_seconds"))
_FAILED = increase("job, channel", "streamend_delivery_failures_total", STEP, OURS)
_UNACCOUNTED = f"{unaccounted('sessions')} + {unaccounted('deliveries')}"
_ALERTS = ('alertname=~"Streamend.+"', 'job=~"$job|"')
_FIRING = f"{select('ALERTS_FOR_STATE', *_ALERTS)} and on (alertname, job, severity) " + select(
    "ALERTS", *_ALERTS, 'alertstate="firing"'
)


def _one(expression: str, name: str = "") -> Query:
    return Query(expression, name, "now")


STATS = (
    Panel(
        title="Live",
        question="What is on?",
        meaning="Events with at least one viewer.",
        look=figure(),
        size=(3, 4),
        queries=(_one(live("job", scraped("streamend_events", 'state="live"'))),),
    ),
    Panel(
        title="About to end",
        question="What is about to end?",
        meaning="Events in their grace period: the last viewer has left, and may still come back.",
        look=figure(),
        size=(3, 4),
        queries=(_one(live("job", scraped("streamend_events", 'state="ending"'))),),
    ),
    Panel(
        title="Viewers",
        question="How many watch?",
        meaning="Viewers of all events, in all processes. 0 while events are live: what dead"
        " processes held is not being let go; look at Last sweep.",
        look=figure(),
        size=(3, 4),
        queries=(_one(live("job", scraped("streamend_clients"))),),
    ),
    Panel(
        title="Due, not told",
        question="Was every host told?",
        meaning="Notices due over 5 s ago. *Never tried*: worker, queue or store; see What stops"
        " notices. *Tried*: the channel; see Failed attempts by reason. What `flask streamend"
        " hold` holds is not counted.",
        look=figure(),
        size=(3, 4),
        queries=(
            _one(max_by("job", scraped(_OVERDUE, 'state="pending"')), "never tried"),
            _one(f"sum by (job) ({_TRIED})", "tried"),
        ),
        steps=red_from(1),
    ),
    Panel(
        title="Longest wait",
        question="How long has the oldest of them waited?",
        meaning="The age of the oldest notice that is due. A host's greylist takes up to 5 min;"
        " longer: `flask streamend deliveries` names the error.",
        look=figure(),
        size=(3, 4),
        queries=(_one(max_by("job", scraped("streamend_notifications_overdue_seconds"))),),
        unit="s",
        steps=((None, "green"), (5, "orange"), (60, "red")),
    ),
    Panel(
        title="Given up",
        question="Was a host given up?",
        meaning="Notices nobody tries any more. Read why with `flask streamend deliveries --dead`,"
        " then `retry` or `dismiss` them.",
        look=figure(),
        size=(3, 4),
        queries=(_one(max_by("job", scraped("streamend_deliveries", 'state="dead"'))),),
        steps=red_from(1),
    ),
    Panel(
        title=f"Told within {IN_TIME} s",
        question="Were hosts told on time?",
        meaning="The share of the notices settled in the range that were accepted within 5 s of"
        " their due time; what was given up counts as late. Below 0.99: see How late and Where the"
        " time goes.",
        look=figure(),
        size=(3, 4),
        queries=(_one(in_time(RANGE)),),
        unit="percentunit",
        decimals=2,
        steps=((None, "red"), (0.99, "orange"), (0.999, "green")),
        no_data="nothing ended",
    ),
    Panel(
        title="Not accounted for",
        question="Does everything add up?",
        meaning="Sessions and deliveries that began and are in no state. Always 0; anything else is"
        " a defect of flask-streamend: please report it, with the version.",
        look=figure(),
        size=(3, 4),
        queries=(
            _one(unaccounted("sessions"), "sessions"),
            _one(unaccounted("deliveries"), "deliveries"),
        ),
        steps=red_from(1),
    ),
)

HOW_LATE = Panel(
    title="How late",
    question="How late are hosts told, and is it getting worse?",
    meaning="From due to accepted by the mail server. The lines are at 50 ms, which `flask"
    " streamend worker` keeps, and at 5 s, the objective. What still waits is in no quantile yet,"
    " so it is drawn beside them.",
    look=curves(log=True, limits=True),
    size=(12, 8),
    queries=(
        Query(quantile(0.5, LATENCY), "half of them"),
        Query(quantile(0.99, LATENCY), "99 of 100"),
        Query(
            f"{max_by('job', scraped('streamend_notifications_overdue_seconds'))} > 0",
            "waiting now",
        ),
    ),
    unit="s",
    steps=((None, "green"), (0.05, "orange"), (5, "red")),
    no_data="nothing ended",
)

WHAT_STOPS = Panel(
    title="What stops notices",
    question="If hosts are told late, why?",
    meaning="The uppermost red lane is the cause, and what is red below it may only follow from it."
    " *store*: no process reaches Redis. *worker*: nobody works on the queue. *sweep*: nobody looks"
    " after what dead processes left. *channel*: the mail server is away, or refuses the login."
    " *no hold*, *no gap*: ends wait on purpose. *balance*: a defect of flask-streamend.",
    look=lanes(),
    size=(12, 8),
    queries=(
        Query(max_by("job", scraped("streamend_store_up")), "store"),
        Query(f"clamp_max(sum by (job) ({_WORKERS}), 1)", "worker"),
        Query(
            f"clamp_max((time() - {_SWEPT} < bool 120)"
            f" + on (job) (sum by (job) ({_WATCHED}) == bool 0), 1)",
            "sweep",
        ),
        Query(f"1 - ({_FAILED} > bool 0)", "channel {{channel}}"),
        Query(f"1 - {max_by('job, reason', scraped('streamend_paused'))}", "no {{reason}}"),
        Query(f"1 - clamp_max({_UNACCOUNTED}, 1)", "balance"),
    ),
    steps=red_below(1),
    says=OK,
)

EVENTS_NOW = Panel(
    title="Events now",
    question="Which events?",
    meaning="The 50 with the most viewers. No viewers: in its grace period. Time left below 0: due,"
    " and not ended yet; something stops it.",
    look=rows("viewers"),
    size=(9, 8),
    queries=(
        Query(f"topk(50, {max_by('event_id', scraped('streamend_event_clients'))})", form="table"),
        Query(
            f"{max_by('event_id', scraped('streamend_event_due_timestamp_seconds'))} - time()",
            form="table",
        ),
    ),
    no_data="no event is on",
    columns=(
        Column(
            "event_id",
            "event",
            links=(
                Link(
                    "Its life",
                    f"/d/{EVENT}?{CARRIED}&var-event=${{__value.raw:percentencode}}",
                ),
                Link(
                    "Its state and deliveries",
                    "${app_url}/streamend/events/${__value.raw:percentencode}",
                ),
            ),
        ),
        Column("Value #A", "viewers", steps=((None, "orange"), (1, "green"))),
        Column("Value #B", "time left", unit="s", steps=red_below(0)),
    ),
)

FIRING = Panel(
    title="Firing, since when",
    question="Since when is something wrong?",
    meaning="Alerts of this application that fire now; the longest is often the cause. Its name"
    " leads to the rule, which links its heading in the runbook.",
    look=rows("for"),
    size=(8, 8),
    queries=(
        Query(
            f"time() - {max_by('alertname, severity, job', _FIRING)}",
            form="table",
        ),
    ),
    no_data="nothing is firing",
    columns=(
        Column(
            "alertname",
            "alert",
            links=(
                Link(
                    "Its rule and runbook",
                    "/alerting/list?search=rule:${__value.raw:percentencode}",
                ),
            ),
        ),
        Column("severity", "severity"),
        Column("job", "application"),
        Column("Value", "for", unit="s", steps=red_from(0)),
    ),
)

ERRORS = Panel(
    title="Errors by stage",
    question="Where do errors happen?",
    meaning="How many in each step. *store*: Redis. *event_loader*: the application's own loader."
    " *queue*: RQ. *channel*: the mail server. *hook*: the application's signal receivers."
    " *websocket*: a viewer's socket. The log has the text.",
    look=curves(),
    size=(7, 8),
    queries=(Query(f"{increase('stage', 'streamend_errors_total', STEP)} > 0", "{{stage}}"),),
    steps=red_from(1),
    no_data="no errors",
)

DASHBOARD = Dashboard(
    uid=OVERVIEW,
    title="Stream ends: overview",
    description="What is on, was every host told, and if not, why: all of an application's events.",
    rows=(
        Row("", (*STATS, HOW_LATE, WHAT_STOPS, EVENTS_NOW, FIRING, ERRORS)),
        *overview_rows.ROWS,
    ),
    variables=(PROMETHEI, JOBS, INSTANCES, QUEUES, APP_URL),
    links=(link("One event's life", EVENT),),
    marks=COMMON_MARKS,
)
