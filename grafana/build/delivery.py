"""The overview's row on delivery."""

from __future__ import annotations

from .dashboards import Row
from .expressions import (
    LATENCY,
    NOTICES,
    RANGE,
    STEP,
    first_in_range,
    in_range,
    in_time,
    increase,
    last_in_range,
    late_ratio,
    max_by,
    quantile,
    scraped,
)
from .looks import bars, curves, figure, heat, levels, rows
from .panels import Column, Panel, Query, Step, amber_from, red_below, red_from

_SKIPS = increase("reason", "streamend_skips_total", RANGE)
_ERRORS = increase("stage", "streamend_errors_total", "1m")
#: 1, 6 and 14.4 times the budget: used up in 30 days, in 5, in 2.
_BURN: tuple[Step, ...] = ((None, "green"), (1, "yellow"), (6, "orange"), (14.4, "red"))


def latency_heat(size: tuple[int, int]) -> Panel:
    """Return the panel that shows each notice: on the overview, and beside one event's life."""
    bucket = scraped(f"{LATENCY}_bucket")
    risen = max_by("le, channel", f"increase({bucket}[{STEP}])")
    return Panel(
        title="Every notice's latency",
        question="Which notices were late?",
        meaning="From due to accepted, of all events. A dot is one notice: it leads to the event,"
        " and to its trace where there is one. Needs exemplars: docs/dashboards.md.",
        look=heat(),
        size=size,
        queries=(Query(f"sum by (le) ({risen})", "{{le}}", "heat"),),
        no_data="nothing ended",
    )


DELIVERY = Row(
    "Delivery",
    (
        Panel(
            title="Told",
            question="How many hosts were told?",
            meaning="Notices a channel accepted in the range. 0 while events ended: see Skipped.",
            look=figure(),
            size=(4, 4),
            queries=(Query(in_range("job", NOTICES, 'status="sent"'), form="now"),),
        ),
        Panel(
            title="Repeated",
            question="Was somebody told twice?",
            meaning="Mails sent once more because nobody knows how the first exchange ended: a"
            " process, connection or server died in it. They carry the same Message-ID.",
            look=figure(),
            size=(4, 4),
            queries=(Query(in_range("job", NOTICES, 'status="repeated"'), form="now"),),
            steps=amber_from(1),
        ),
        Panel(
            title="Objective, 30 days",
            question="Is the objective kept?",
            meaning="The share told within 5 s in 30 days; the objective is 0.99. Prometheus has"
            " to keep that long: `--storage.tsdb.retention.time=35d`.",
            look=figure(),
            size=(4, 4),
            queries=(Query(in_time("30d"), form="now"),),
            unit="percentunit",
            decimals=2,
            steps=red_below(0.99),
            no_data="nothing ended",
        ),
        Panel(
            title="Skipped, by reason",
            question="Which hosts were not told, though nothing failed?",
            meaning="All but *muted* should be 0. *no_loader*, *no_event*, *no_address*: the"
            " application's loader did not say whom to tell. *suppressed*: Flask-Mail drops mail"
            " (TESTING or MAIL_SUPPRESS_SEND).",
            look=levels(),
            size=(12, 4),
            queries=(Query(f"round({_SKIPS})", "{{reason}}", "now"),),
            steps=red_from(1),
        ),
        latency_heat((12, 8)),
        Panel(
            title="Where the time goes",
            question="Is it the mail server that is slow?",
            meaning="99 of 100 were faster. Both curves together: the mail server. The upper one"
            " alone: the queue, the worker, or the start of the application in it.",
            look=curves(log=True),
            size=(12, 8),
            queries=(
                Query(quantile(0.99, LATENCY), "due to accepted"),
                Query(
                    quantile(0.99, "streamend_send_duration_seconds", "channel"),
                    "one attempt, {{channel}}",
                ),
            ),
            unit="s",
            no_data="nothing ended",
        ),
        Panel(
            title="Notices by outcome",
            question="How do attempts end?",
            meaning="*sent*: accepted. *failed*: an attempt; it is tried again. *dead*: given up."
            " *skipped*: nobody to tell. *repeated*: sent once more.",
            look=bars(),
            size=(8, 8),
            queries=(
                Query(
                    f"{increase('channel, status', NOTICES, STEP)} > 0", "{{channel}} {{status}}"
                ),
            ),
            no_data="nothing ended",
        ),
        Panel(
            title="Failed attempts by reason",
            question="Why do attempts fail?",
            meaning="*connect*, *timeout*, *auth*: our side or the mail server: `flask streamend"
            " doctor`. *refused*: the server does not take mail for that address. Others are in"
            " the log.",
            look=bars(),
            size=(8, 8),
            queries=(
                Query(
                    f"{increase('channel, reason', 'streamend_delivery_failures_total', STEP)} > 0",
                    "{{channel}} {{reason}}",
                ),
            ),
            no_data="nothing failed",
        ),
        Panel(
            title="Burn rate",
            question="How fast is the budget for late notices being spent?",
            meaning="1 uses it up in 30 days. Above 14.4 over 1 h, or 6 over 6 h, it pages; above"
            " 1 over 3 d it is a ticket. Gaps: nothing ended.",
            look=curves(limits=True),
            size=(8, 8),
            queries=tuple(Query(late_ratio(w), f"over {w}") for w in ("1h", "6h", "3d")),
            steps=_BURN,
            no_data="nothing ended",
        ),
        Panel(
            title="Ledger by state",
            question="What is in the ledger?",
            meaning="What is kept now, not totals. *pending*, *retrying* that stay and any *dead*"
            " matter: `flask streamend deliveries`.",
            look=levels(),
            size=(8, 7),
            queries=(Query(max_by("state", scraped("streamend_deliveries")), "{{state}}", "now"),),
        ),
        Panel(
            title="Errors: how many, first, last",
            question="When did errors begin, and have they stopped?",
            meaning="In the range, to the minute. One that is over needs no hurry.",
            look=rows("errors"),
            size=(16, 7),
            queries=(
                Query(f"{in_range('stage', 'streamend_errors_total')} > 0", form="table"),
                Query(first_in_range(_ERRORS), form="table"),
                Query(last_in_range(_ERRORS), form="table"),
            ),
            no_data="no errors",
            columns=(
                Column("stage", "stage"),
                Column("Value #A", "errors", steps=red_from(1)),
                Column("Value #B", "first", unit="dateTimeFromNow"),
                Column("Value #C", "last", unit="dateTimeFromNow"),
            ),
        ),
    ),
)
