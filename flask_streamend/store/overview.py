"""What a page for operators shows of the store: a bounded part, what matters most first."""

from __future__ import annotations

from dataclasses import dataclass

from ..event import EventStatus
from .base import Record


@dataclass(frozen=True)
class Overview:
    """Events and deliveries, read in one act.

    :param ending: events in their grace period, the one that is due first at the head.
    :param live: events with viewers, the busiest first.
    :param dead: dead letters, the newest first.
    :param owed: deliveries that are not settled, the one that is taken up next at the head.
    :param settled: the others, the one that was settled last at the head.
    """

    ending: tuple[EventStatus, ...] = ()
    live: tuple[EventStatus, ...] = ()
    dead: tuple[Record, ...] = ()
    owed: tuple[Record, ...] = ()
    settled: tuple[Record, ...] = ()
