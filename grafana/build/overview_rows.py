"""The overview below its first screen: events, queue and workers, store and processes."""

from __future__ import annotations

from .dashboards import Row
from .delivery import DELIVERY
from .expressions import QUEUE, RANGE, SCRAPED, in_range, increase, live, max_by, quantile, scraped
from .looks import curves, figure, lanes
from .panels import OK, Panel, Query, amber_from, red_below

_GRACE = "streamend_grace_periods_total"
_RESUMED = increase("job", _GRACE, RANGE, 'result="resumed"')

EVENTS = Row(
    "Events",
    (
        Panel(
            title="Events and viewers",
            question="How much is on, over time?",
            meaning="A fall of everything at once: a process died, or the store went.",
            look=curves(),
            size=(12, 8),
            queries=(
                Query(live("state", scraped("streamend_events")), "events {{state}}"),
                Query(live("job", scraped("streamend_clients")), "viewers"),
            ),
        ),
        Panel(
            title="Ended",
            question="How many events ended?",
            meaning="In the range; each is told once.",
            look=figure(),
            size=(4, 8),
            queries=(
                Query(
                    in_range("job", "streamend_event_duration_seconds_bucket", 'le="+Inf"'),
                    form="now",
                ),
            ),
        ),
        Panel(
            title="Came back in time",
            question="How many grace periods did a viewer cancel?",
            meaning="Viewers who came back within the delay. Many: connections that don't hold."
            " Hosts are told while viewers are only reconnecting: raise STREAMEND_DELAY.",
            look=figure(),
            size=(4, 8),
            queries=(
                Query(
                    f"{_RESUMED} / ({increase('job', _GRACE, RANGE)} > 0)",
                    form="now",
                ),
            ),
            unit="percentunit",
            decimals=0,
            no_data="no grace period",
        ),
        Panel(
            title="Refused",
            question="Which viewers were not let in?",
            meaning="*limit*: raise STREAMEND_MAX_CLIENTS. *origin*: a proxy changes the host."
            " *viewer*, *token*: the application said no. *bad_event_id*, *no_such_event*: a wrong"
            " address. *draining*: a process that stops.",
            look=figure(named=True),
            size=(4, 8),
            queries=(Query(in_range("reason", "streamend_refusals_total"), "{{reason}}", "now"),),
            steps=amber_from(1),
        ),
        Panel(
            title="How long events last",
            question="How long do events last?",
            meaning="From the first viewer to the end. Many of a minute or less: hosts who try"
            " out, or viewers who lose the connection for longer than the delay.",
            look=curves(log=True),
            size=(12, 7),
            queries=tuple(
                Query(quantile(q, "streamend_event_duration_seconds"), name)
                for q, name in ((0.5, "half of them"), (0.9, "9 of 10"))
            ),
            unit="s",
            no_data="nothing ended",
        ),
        Panel(
            title="Viewers at the peak",
            question="How many watch an event at once?",
            meaning="The most viewers a session had, of those that ended.",
            look=curves(log=True),
            size=(12, 7),
            queries=tuple(
                Query(quantile(q, "streamend_event_peak_clients"), name)
                for q, name in ((0.5, "half of them"), (0.9, "9 of 10"))
            ),
            no_data="nothing ended",
        ),
    ),
)

QUEUE_AND_WORKERS = Row(
    "Queue and workers",
    (
        Panel(
            title="Jobs by state",
            question="Does the queue keep up?",
            meaning="All jobs of the queue, whoever's they are. *queued* that grows: too few"
            " workers, or others' long jobs: give STREAMEND_QUEUE a queue of its own.",
            look=curves(),
            size=(12, 7),
            queries=(
                Query(
                    max_by("queue, state", scraped("streamend_queue_jobs", QUEUE)),
                    "{{queue}} {{state}}",
                ),
            ),
            no_data="no queue: memory://, or not scraped",
        ),
        Panel(
            title="Workers by state",
            question="Who works?",
            meaning="None: the next end is told late. Start one: `flask streamend worker`.",
            look=curves(),
            size=(6, 7),
            queries=(
                Query(
                    max_by("queue, state", scraped("streamend_workers", QUEUE)),
                    "{{queue}} {{state}}",
                ),
            ),
            no_data="no queue: memory://, or not scraped",
        ),
        Panel(
            title="RQ's scheduler",
            question="Does RQ's scheduler run?",
            meaning="0 is fine where none was ever started: it is needed only while no web process"
            " lives. 0 where one was started: its worker died.",
            look=figure(),
            size=(3, 7),
            queries=(
                Query(
                    max_by("queue", scraped("streamend_scheduler_up", QUEUE)), "{{queue}}", "now"
                ),
            ),
            no_data="no queue: memory://, or not scraped",
        ),
        Panel(
            title="Last sweep",
            question="Is somebody looking after what dead processes left?",
            meaning="Seconds since. Over 120 while something is live: dead processes' viewers stay,"
            " and their events never end; start a worker. Asleep while nothing is live is fine.",
            look=figure(),
            size=(3, 7),
            queries=(
                Query(
                    f"time() - {max_by('job', scraped('streamend_last_sweep_timestamp_seconds'))}",
                    form="now",
                ),
            ),
            unit="s",
            steps=amber_from(120),
        ),
    ),
)

STORE_AND_PROCESSES = Row(
    "Store and processes",
    (
        Panel(
            title="Store, as each process sees it",
            question="Who reaches Redis?",
            meaning="One lane red: that host's way to Redis. All red: Redis itself. Start it again;"
            " don't restart the web processes, they hold what is owed.",
            look=lanes(),
            size=(12, 7),
            queries=(
                Query(f"min by (instance) ({scraped('streamend_store_up')})", "{{instance}}"),
            ),
            steps=red_below(1),
            says=OK,
        ),
        Panel(
            title="Web processes",
            question="Are all processes there?",
            meaning="*alive*: with a lease in the store. *scraped*: addresses Prometheus asks,"
            " which may stand for several processes. Fewer than were started: one died.",
            look=figure(),
            size=(4, 7),
            queries=(
                Query(max_by("job", scraped("streamend_processes")), "alive", "now"),
                Query(f"count by (job) ({scraped('streamend_store_up')})", "scraped", "now"),
            ),
        ),
        Panel(
            title="Versions",
            question="Which version runs?",
            meaning="Processes by version of flask-streamend. Two for long: a rollout stuck.",
            look=figure(named=True),
            size=(4, 7),
            queries=(
                Query(f"count by (version) ({scraped('streamend_info')})", "{{version}}", "now"),
            ),
        ),
        Panel(
            title="Time to scrape",
            question="Is measuring itself slow?",
            meaning="Seconds a scrape takes. Over 0.25: Redis is slow, or very many events have a"
            " series of their own: lower STREAMEND_METRICS_MAX_EVENTS.",
            look=curves(limits=True),
            size=(4, 7),
            queries=(
                Query(f"max by (instance) (scrape_duration_seconds{{{SCRAPED}}})", "{{instance}}"),
            ),
            unit="s",
            steps=amber_from(0.25),
        ),
    ),
)

ROWS = (DELIVERY, EVENTS, QUEUE_AND_WORKERS, STORE_AND_PROCESSES)
