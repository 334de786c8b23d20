"""PromQL, put together from a few macros.

Every process shows the same counters, so they are aggregated with max, never summed. ``increase``
takes them from recorded series: per process it would begin anew with each restart. What is wrong
while a process is cut off from the store is taken only from those that reach it.
"""

from __future__ import annotations

#: The application chosen, and the processes of it.
JOB = 'job=~"$job"'
SCRAPED = f'{JOB}, instance=~"$instance"'
QUEUE = 'queue=~"$queue"'
#: Windows: what fits one step of a graph; the dashboard's whole range.
STEP = "$__rate_interval"
RANGE = "$__range"

LATENCY = "streamend_notification_latency_seconds"
NOTICES = "streamend_notifications_total"
#: Attempts that fail for a reason on our side; the others lie with the host's address.
OURS = 'reason=~"connect|timeout|auth"'
#: Told within this many seconds is told in time: a bound of the latency histogram.
IN_TIME = 5
#: Of a hundred notices this many are to be told in time, and the rest is the budget.
OBJECTIVE = 0.99
BUDGET = "0.01"


def select(metric: str, *matchers: str) -> str:
    """Return a selector; empty matchers are left out."""
    inside = ", ".join(filter(None, matchers))
    return f"{metric}{{{inside}}}" if inside else metric


def scraped(metric: str, *matchers: str) -> str:
    """Return a selector over the chosen processes."""
    return select(metric, SCRAPED, *matchers)


def recorded(counter: str, *matchers: str, where: str = JOB) -> str:
    """Return the recorded series of a counter: the highest of its processes.

    :param where: which applications; empty in rules, where it is all of them.
    """
    return select(f"job:{counter}:max", where, *matchers)


def max_by(labels: str, expression: str) -> str:
    """Return the highest of the processes that show the same figure."""
    return f"max by ({labels}) ({expression})"


def live(labels: str, expression: str) -> str:
    """Return a gauge of viewers and events, true also while the store is away.

    A process that does not reach the store shows its own viewers only. So: the highest where the
    store is reached, else what all have together.
    """
    return (
        f"max by ({labels}) ({expression} and on (job, instance) streamend_store_up == 1)"
        f" or sum by ({labels}) ({expression})"
    )


def increase(labels: str, counter: str, window: str, *matchers: str, where: str = JOB) -> str:
    """Return by how much a counter rose in a window."""
    return f"sum by ({labels}) (increase({recorded(counter, *matchers, where=where)}[{window}]))"


def in_range(labels: str, counter: str, *matchers: str) -> str:
    """Return how many there were in the dashboard's range, as a whole number."""
    return f"round({increase(labels, counter, RANGE, *matchers)})"


def quantile(q: float, histogram: str, labels: str = "") -> str:
    """Return a quantile over one step; nothing where nothing was observed."""
    by = f"{labels}, le" if labels else "le"
    risen = increase(by, f"{histogram}_bucket", STEP)
    return f"histogram_quantile({q:g}, {risen}) >= 0"


def told(window: str, where: str = JOB) -> str:
    """Return how many notices were told or given up in a window."""
    accepted = increase("job", f"{LATENCY}_count", window, where=where)
    given_up = increase("job", NOTICES, window, 'status="dead"', where=where)
    return f"{accepted} + {given_up}"


def good(window: str, where: str = JOB) -> str:
    """Return how many notices were told in time in a window."""
    return increase("job", f"{LATENCY}_bucket", window, f'le="{IN_TIME:.1f}"', where=where)


def in_time(window: str) -> str:
    """Return the share told in time; nothing where nothing was to be told."""
    return f"{good(window)} / ({told(window)} > 0)"


def late_ratio(window: str) -> str:
    """Return how many times the budget is being spent in a window."""
    return f"{select(f'job:streamend_notices_late:ratio{window}', JOB)} / {BUDGET}"


def unaccounted(kind: str, where: str = SCRAPED) -> str:
    """Return how many sessions or deliveries are not accounted for; max alone hides a negative.

    :param kind: ``sessions`` or ``deliveries``.
    """
    return max_by("job", f"abs({select(f'streamend_{kind}_unaccounted', where)})")


def first_in_range(risen: str) -> str:
    """Return the milliseconds since 1970 at which something first rose in the range."""
    return f"1000 * min_over_time(timestamp({risen} > 0)[{RANGE}:1m])"


def last_in_range(risen: str) -> str:
    """Return the milliseconds since 1970 at which something last rose in the range."""
    return f"1000 * max_over_time(timestamp({risen} > 0)[{RANGE}:1m])"
