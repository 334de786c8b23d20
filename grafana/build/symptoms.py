"""Alerts that page: hosts are not told, or something is wrong that no other figure would show."""

from __future__ import annotations

from .alert import Alert
from .expressions import BUDGET, NOTICES, OURS, increase, recorded
from .rules import EVERY, late, ratio

#: Late notices in the long window below which a ratio says nothing: half a one less than five,
#: since increases are fractions.
FLOOR = 4.5


def burning(long: str, short: str, factor: float) -> str:
    """Return: the budget burns this many times too fast, by a long window and still by a short."""
    limit = f"{factor:g} * {BUDGET}"
    return f"""(
  {ratio(long)} > {limit}
  and {ratio(short)} > {limit}
  and {late(long)} > {FLOOR}
)"""


SYMPTOMS = (
    Alert(
        "HostsNotTold",
        "1m",
        "critical",
        """
max by (job) (streamend_notifications_overdue{state="pending"}) > 0
unless on (job) max by (job) (streamend_paused{reason="hold"}) == 1
""",
        "{{ $labels.job }}: hosts are not told that their streams have ended",
        "{{ $value }} notices are due and were not even tried. The uppermost red lane of the panel"
        ' "What stops notices" is the cause.',
    ),
    Alert(
        "ChannelDown",
        "2m",
        "critical",
        # Something still waits: else the failures are over, though nothing else was due since.
        f"""
{increase("job, channel", "streamend_delivery_failures_total", "10m", OURS, where=EVERY)} > 2.5
unless on (job, channel) increase({recorded(NOTICES, 'status="sent"', where=EVERY)}[5m]) > 0
and on (job) max by (job) (streamend_notifications_overdue{{state!="pending"}}) > 0
""",
        "{{ $labels.job }}: no notice gets through by {{ $labels.channel }}",
        '{{ $value | printf "%.0f" }} attempts by {{ $labels.channel }} failed in 10 minutes for'
        " want of a connection, an answer or a login, and none succeeded in the last 5."
        " What is due waits, and is told once it works again.",
        by=("job", "channel"),
    ),
    Alert(
        "LatencyBurn",
        "1m",
        "critical",
        f"""
{burning("1h", "5m", 14.4)}
or
{burning("6h", "30m", 6)}
""",
        "{{ $labels.job }}: many hosts are told late",
        "{{ $value | humanizePercentage }} of the notices of the last hour, or six, took over 5 s"
        " or were given up; the objective allows 1%."
        ' The panel "Where the time goes" tells the slow part.',
    ),
    Alert(
        "StoreDown",
        "1m",
        "critical",
        """
max by (job) (max_over_time(streamend_store_up[1m])) == 0
""",
        "{{ $labels.job }}: no process reaches Redis",
        "{{ $value }} processes reached Redis within the last minute. Start it, and leave the web"
        " processes running: they hold what is owed.",
    ),
    Alert(
        "PresenceStuck",
        "2m",
        "critical",
        """
time() - max by (job) (streamend_last_sweep_timestamp_seconds) > 120
and on (job) sum by (job) (max by (job, state) (streamend_events)) > 0
""",
        "{{ $labels.job }}: nobody looks after viewers of dead processes",
        "The last sweep was {{ $value | humanizeDuration }} ago. Viewers whose process died are"
        " still counted, so their events never end. Start a worker.",
    ),
    Alert(
        "NoMetrics",
        "5m",
        "critical",
        """
(
  group by (job) (max_over_time(streamend_store_up[1d]))
  unless group by (job) (streamend_store_up)
)
or
(
  absent(streamend_store_up)
  unless on () group(max_over_time(streamend_store_up[1d]))
)
""",
        '{{ or $labels.job "Any application" }}: no figures',
        'Nothing is scraped from {{ or $labels.job "any application" }}: it is down, or Prometheus'
        " can't reach it. No other alert can fire until it is back.",
    ),
)
