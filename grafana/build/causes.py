"""Alerts that are tickets: what will keep hosts from being told, or kept one from it."""

from __future__ import annotations

from .alert import Alert
from .expressions import NOTICES, increase, unaccounted
from .rules import EVERY
from .symptoms import FLOOR, burning


def attempts(status: str) -> str:
    """Return: attempts of an hour that went so."""
    return increase("job, channel", NOTICES, "1h", f'status=~"{status}"', where=EVERY)


CAUSES = (
    Alert(
        "LatencyBurnSlow",
        "15m",
        "warning",
        f"""
{burning("1d", "2h", 3)}
or
{burning("3d", "6h", 1)}
""",
        "{{ $labels.job }}: hosts are told late, day after day",
        "{{ $value | humanizePercentage }} of the notices of the last day, or three, took over 5 s"
        " or were given up; the objective allows 1%, and won't be met this month.",
    ),
    Alert(
        "HostsWaiting",
        "1m",
        "warning",
        """
max by (job) (streamend_notifications_overdue_seconds) > 300
unless on (job) max by (job) (streamend_paused{reason="hold"}) == 1
""",
        "{{ $labels.job }}: a host waits for a notice",
        "The oldest notice was due {{ $value | humanizeDuration }} ago and is still being tried:"
        " longer than a greylist takes. `flask streamend deliveries` has the mail server's words.",
    ),
    Alert(
        "DeadLetters",
        "1m",
        "warning",
        """
max by (job) (streamend_deliveries{state="dead"}) > 0
""",
        "{{ $labels.job }}: notices were given up",
        "{{ $value }} notices are dead letters. Read why with `flask streamend deliveries --dead`,"
        " then `retry` or `dismiss` them.",
    ),
    Alert(
        "HostsSkipped",
        "",
        "warning",
        f"""
{increase("job, reason", "streamend_skips_total", "1h", 'reason!="muted"', where=EVERY)} > 0.5
""",
        "{{ $labels.job }}: hosts are skipped ({{ $labels.reason }})",
        '{{ $value | printf "%.0f" }} ends of the last hour were told to nobody:'
        " {{ $labels.reason }}. Nothing failed, and nothing is tried again.",
        by=("job", "reason"),
    ),
    Alert(
        "Unaccounted",
        "2m",
        "warning",
        f"""
{unaccounted("sessions", where=EVERY)} > 0
or {unaccounted("deliveries", where=EVERY)} > 0
""",
        "{{ $labels.job }}: the ledger does not balance",
        "{{ $value }} sessions or deliveries are in no state. This is a defect of flask_streamend:"
        " keep the log, and report it.",
    ),
    Alert(
        "NoWorker",
        "5m",
        "warning",
        """
sum by (job, queue) (max by (job, queue, state) (streamend_workers)) == 0
and on (job) sum by (job) (max by (job, state) (streamend_events)) > 0
""",
        "{{ $labels.job }}: no worker reads the queue {{ $labels.queue }}",
        "{{ $value }} workers read the queue {{ $labels.queue }} while events are on: the next end"
        " is told late. Start one.",
        by=("job", "queue"),
    ),
    Alert(
        "StoreUnreachable",
        "2m",
        "warning",
        """
min by (job, instance) (avg_over_time(streamend_store_up[5m])) < 0.5
""",
        "{{ $labels.job }}: {{ $labels.instance }} is cut off from Redis",
        "{{ $labels.instance }} reached Redis at {{ $value | humanizePercentage }} of the last"
        " 5 minutes' scrapes. Look at that host's way to it.",
        by=("job", "instance"),
    ),
    Alert(
        "Errors",
        "5m",
        "warning",
        f"""
{increase("job, stage", "streamend_errors_total", "15m", where=EVERY)} > {FLOOR}
""",
        "{{ $labels.job }}: errors in the stage {{ $labels.stage }}",
        '{{ $value | printf "%.0f" }} errors in the stage {{ $labels.stage }} in 15 minutes.'
        " The log has each.",
        by=("job", "stage"),
    ),
    Alert(
        "AttemptsFailing",
        "10m",
        "warning",
        f"""
{attempts("failed")} > {FLOOR}
and {attempts("failed")} / {attempts("failed|sent")} > 0.2
""",
        "{{ $labels.job }}: many attempts by {{ $labels.channel }} fail",
        '{{ $value | printf "%.0f" }} attempts by {{ $labels.channel }} failed in an hour, over a'
        " fifth of all. They are tried again; hosts are told late.",
        by=("job", "channel"),
    ),
    Alert(
        "ViewersRefused",
        "",
        "warning",
        f"""
{increase("job", "streamend_refusals_total", "10m", 'reason="limit"', where=EVERY)} > 9.5
""",
        "{{ $labels.job }}: viewers are refused",
        '{{ $value | printf "%.0f" }} viewers were refused in 10 minutes, because STREAMEND_MAX_'
        "CLIENTS or STREAMEND_MAX_CLIENTS_PER_EVENT is reached.",
    ),
    Alert(
        "SchedulerSilent",
        "15m",
        "info",
        """
max by (job, queue) (streamend_scheduler_up) == 0
and max by (job, queue) (max_over_time(streamend_scheduler_up[1d])) == 1
""",
        "{{ $labels.job }}: RQ's scheduler is gone",
        "{{ $value }} workers run RQ's scheduler for the queue {{ $labels.queue }}, and one did"
        " within a day. Ends are told in time while a web process or `flask streamend worker`"
        " lives.",
        by=("job", "queue"),
    ),
    Alert(
        "HeldLong",
        "1h",
        "info",
        """
max by (job) (streamend_paused{reason="hold"}) == 1
""",
        "{{ $labels.job }}: notices are held",
        "An operator holds all notices, for over an hour now. To let go: `flask streamend hold 0`.",
    ),
)
