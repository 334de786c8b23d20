"""The histograms that a store counts into, with their buckets' upper bounds."""

from __future__ import annotations

#: Seconds from an event's end to its notice being accepted: sub-second steps for the promise of
#: 50 ms, then the back-off's steps up to an hour.
LATENCY = (
    *(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
    *(300.0, 900.0, 3600.0),
)
#: Seconds of one attempt: up to the longest an exchange may take by its time-outs.
SEND = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
#: Seconds from a session's first viewer to its end: a minute to a day.
DURATION = (60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0, 43_200.0, 86_400.0)
#: Most viewers at once in a session.
PEAK = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


def _ms(seconds: tuple[float, ...]) -> tuple[int, ...]:
    return tuple(int(bound * 1000) for bound in seconds)


#: By the first part of their fields in the store: bounds in milliseconds, or viewers.
HISTOGRAMS: dict[str, tuple[int, ...]] = {
    "notification_latency": _ms(LATENCY),
    "send_duration": _ms(SEND),
    "event_duration": _ms(DURATION),
    "event_peak_clients": PEAK,
}


def bucket(name: str, value: int) -> int | None:
    """Return the bound of the bucket a value falls into; None where it is over the last."""
    return next((bound for bound in HISTOGRAMS[name] if value <= bound), None)
