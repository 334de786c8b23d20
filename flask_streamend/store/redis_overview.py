"""What a page for operators shows of the store in Redis."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ..event import EventStatus
from .base import Record
from .bounds import SEARCHED
from .overview import Overview
from .redis_ledger import RedisLedger, shown, unique_of
from .scripts import text


class RedisOverview(RedisLedger):
    """Reads, on top of the ledger, what an operator is shown."""

    def overview(self, events: int, deliveries: int) -> Overview:
        k = self.keys
        names = [k.clients, k.sessions, k.due, k.open, k.closed, k.ledger, k.stats]
        ending, live, dead, owed, settled = self._run(
            "overview", names, events, deliveries, SEARCHED
        )
        return Overview(
            ending=tuple(status_of(*row) for row in ending),
            live=tuple(status_of(*row) for row in live),
            dead=tuple(_settled(dead)),
            owed=tuple(shown(text(id_), json.loads(p), float(at), None) for id_, p, at in owed),
            settled=tuple(_settled(settled)),
        )


def _settled(rows: list[Any]) -> Iterable[Record]:
    return (shown(text(id_), json.loads(packed), None, float(at)) for id_, packed, at in rows)


def status_of(event_id: Any, packed: Any, clients: Any, due: Any) -> EventStatus:
    """Return an event's status.

    :param packed: its session as JSON; None: it has none.
    :param due: when it ends; None or empty unless ending.
    """
    if packed is None:
        return EventStatus(text(event_id), "idle")
    session = json.loads(packed)
    ending = due is not None and due != b""
    return EventStatus(
        text(event_id),
        "ending" if ending else "live",
        int(clients or 0),
        session["id"],
        session["started"] / 1000,
        float(due) / 1000 if ending else None,
        int(session["peak"]),
        unique_of(session),
    )
