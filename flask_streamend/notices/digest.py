"""A host's ends within a while, as one message."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..event import Event, Notice
from ..loading import Found
from ..store.deliveries import Member

#: Seconds in which a digest's events are asked for: well within a job's time-out.
LOADING = 120.0


@dataclass
class Gathered:
    """A digest's events, asked for afresh.

    :ivar events: of those that are told, by member.
    :ivar out: why others are left out, by member.
    :ivar failed: whether it can't be told now: the event loader failed, or took too long.
    """

    events: dict[str, Event] = field(default_factory=dict)
    out: dict[str, str] = field(default_factory=dict)
    failed: bool = False


def ask_for(members: Sequence[Member], ask: Callable[[str], Found]) -> Gathered:
    """Ask for the events of a digest's members, each event once.

    Left out is an event that is no more, or is another host's now; and a host who wants no notices.
    """
    until = time.monotonic() + LOADING
    gathered, known, host = Gathered(), dict[str, Found](), None
    for member in members:
        if member.out:
            continue
        found = known.get(member.event_id)
        if found is None:
            found = known[member.event_id] = ask(member.event_id)
        if found.failed or time.monotonic() > until:
            gathered.failed = True
            return gathered
        event = found.event
        if event is None:
            gathered.out[member.id] = "no_event" if found.asked else "no_loader"
            continue
        host = host or event.host_id
        if event.host_id != host:
            gathered.out[member.id] = "no_event"
        elif event.preferences is not None and event.preferences.muted:
            gathered.out[member.id] = "muted"
        else:
            gathered.events[member.id] = event
    return gathered


def notice_of(notices: Sequence[Notice], message_id: str) -> Notice:
    """Return one notice of several ends: the first one's, with all of them as its members."""
    first = notices[0]
    return Notice(
        event=first.event,
        session=first.session,
        due_at=first.due_at,
        url=first.url,
        message_id=message_id,
        stopped=first.stopped,
        members=tuple(notices),
    )
