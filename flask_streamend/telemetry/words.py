"""What the counts of failures and refusals mean, in words, for who reads no metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..store.base import Record
from .names import DELIVERY_FAILURES, ERRORS, REFUSALS, SKIPS, Counter

#: A counter, how its words begin, and the words for each value of its last label.
WORDS: tuple[tuple[Counter, str, Mapping[str, str]], ...] = (
    (
        ERRORS,
        "",
        {
            "store": "Redis did not answer",
            "event_loader": "The event loader failed, or was slow",
            "queue": "An alarm could not be set or read, or the application not be loaded",
            "channel": "A notice could not be sent",
            "hook": "A signal's receiver raised",
            "websocket": "A viewer's socket failed",
        },
    ),
    (
        DELIVERY_FAILURES,
        "Attempt failed: ",
        {
            "connect": "not reached",
            "timeout": "took too long",
            "auth": "login refused",
            "refused": "message refused",
            "other": "something else",
        },
    ),
    (
        SKIPS,
        "Host not told: ",
        {
            "no_loader": "there is no event loader",
            "no_event": "there is no such event",
            "no_address": "there is no address",
            "muted": "the host wants no notice",
            "suppressed": "mail is suppressed",
        },
    ),
    (
        REFUSALS,
        "Viewer refused: ",
        {
            "bad_event_id": "not an event id",
            "viewer": "by the viewer loader",
            "token": "a bad join token",
            "origin": "a page of another site",
            "no_such_event": "no such event",
            "limit": "a limit was reached",
            "draining": "the process was stopping",
        },
    ),
)


@dataclass(frozen=True)
class Failing:
    """A count that is not 0.

    :param field: its counter's field in the store.
    """

    field: str
    text: str
    count: int


def why(record: Record) -> str:
    """Return what a delivery's record says went wrong, or why it was skipped, in words."""
    if record.state != "skipped":
        return record.error
    words = next(words for counter, _, words in WORDS if counter is SKIPS)
    return words.get(record.error, record.error)


def failing(
    counters: Mapping[str, int], channels: tuple[str, ...] = ("email",)
) -> Iterator[Failing]:
    """Yield what was counted of failures, skips and refusals.

    :param channels: the application's, by name.
    """
    for counter, begin, words in WORDS:
        for values in counter.combinations(channels):
            field = counter.field(*values)
            if count := counters.get(field, 0):
                why = words.get(values[-1], values[-1].replace("_", " "))
                channel = f" ({values[0]})" if len(values) > 1 else ""
                yield Failing(field, f"{begin}{why}{channel}", count)
