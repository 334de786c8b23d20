"""Bugs to plant, one at a time: the simulation has to find each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import Any
from unittest import mock

from flask_streamend.known import Known
from flask_streamend.owed import Owed
from flask_streamend.store.base import Outcome
from flask_streamend.store.memory import MemoryStore
from flask_streamend.store.memory_pulse import Pulse

Bug = Callable[..., Any]

_claim, _apply, _report = MemoryStore.claim, MemoryStore._apply, MemoryStore.report
_heartbeat, _reap = MemoryStore.heartbeat, MemoryStore.reap
_take, _sending, _settle = MemoryStore.take, MemoryStore.sending, MemoryStore.settle


def no_look_at_the_instant(store: MemoryStore, limit: int) -> Any:
    """Claim whatever is empty, due or not."""
    store._due = dict.fromkeys(store._due, store._now())
    return _claim(store, limit)


def nobody_resumes(store: MemoryStore, held: Any, event: str, *args: Any, **kwargs: Any) -> Any:
    """Leave an end due though somebody came back."""
    due = store._due.get(event)
    row = _apply(store, held, event, *args, **kwargs)
    if due is not None:
        store._due[event] = due
    return row


def increment(
    store: MemoryStore, held: dict[str, int], event: str, *args: Any, **kwargs: Any
) -> Any:
    """Add what is reported to what there was, instead of setting it."""
    old = held.get(event, 0)
    row = _apply(store, held, event, *args, **kwargs)
    if old and event in held:
        store._clients[event] += old
    return row


def any_number(store: MemoryStore, holder: str, seq: int, *args: Any, **kwargs: Any) -> Any:
    """Take an older report for a newer one."""
    known = store._holders.get(holder)
    if known is not None:
        known.seq = min(known.seq, seq)
    return _report(store, holder, seq, *args, **kwargs)


def no_lease(store: MemoryStore, holder: str, *args: Any, **kwargs: Any) -> Any:
    """Call everybody else lapsed, and let them be reaped."""
    others = tuple(name for name in store._holders if name not in (holder, "guests"))
    return replace(_heartbeat(store, holder, *args, **kwargs), lapsed=others)


def any_reap(store: MemoryStore, holder: str, goodbye: bool = False) -> Any:
    """Reap without a look at the lease."""
    return _reap(store, holder, goodbye=True)


def no_leases_of_deliveries(store: MemoryStore, owner: str, lease: int, limit: int) -> Any:
    """Hand deliveries out without a lease."""
    at = {id_: entry.next_at for id_, entry in store._ledger.items()}
    taken = _take(store, owner, lease, limit)
    for delivery in taken:
        store._ledger[delivery.id].next_at = at[delivery.id]
    return taken


def anybody_sends(store: MemoryStore, delivery: str, owner: str, lease: int) -> bool:
    """Let anybody send, whoever has the lease."""
    return True


def no_record(store: MemoryStore, delivery: str, owner: str, *args: Any, **kwargs: Any) -> int:
    """Forget that a notice was sent."""
    channel, outcome, *rest = args
    if outcome is Outcome.SENT:
        outcome = Outcome.POSTPONED
    return _settle(store, delivery, owner, channel, outcome, *rest, **kwargs)


def told_again(store: MemoryStore, session: str) -> str:
    """Begin a session under the name of one that was told."""
    return session


def no_gap(pulse: Pulse, *args: Any, **kwargs: Any) -> int:
    """Wait for nobody after an outage."""
    return 0


def held_up(pulse: Pulse, at: int, gap: int) -> bool:
    """Take a beat from before an outage for one from after it."""
    return False


def nothing_owed(owed: Owed) -> list[Any]:
    """Keep no ends for a store that loses them."""
    return []


def _always_alone(known: Known, row: Any, now: int, count: int, all_there: bool = True) -> None:
    _learn(known, row, now, count, all_there)
    known.alone = count > 0


_learn = Known.learn

#: What is replaced by what, by the name of the bug.
BUGS: dict[str, list[tuple[type, str, Bug]]] = {
    "no re-check of the due instant": [(MemoryStore, "claim", no_look_at_the_instant)],
    "no check that the event is still empty": [(MemoryStore, "_apply", nobody_resumes)],
    "increment instead of set": [(MemoryStore, "_apply", increment)],
    "an older number is accepted": [(MemoryStore, "report", any_number)],
    "reaped without a look at the lease": [
        (MemoryStore, "heartbeat", no_lease),
        (MemoryStore, "reap", any_reap),
    ],
    "an unleased claim": [
        (MemoryStore, "take", no_leases_of_deliveries),
        (MemoryStore, "sending", anybody_sends),
    ],
    "a lost mark of what is being sent": [(MemoryStore, "sending", anybody_sends)],
    "what was sent is not recorded": [(MemoryStore, "settle", no_record)],
    "a session that was told begins again": [(MemoryStore, "_fresh", told_again)],
    "no gap after an outage": [(Pulse, "beat", no_gap)],
    "a beat held up by an outage ends the gap": [(Pulse, "stale", held_up)],
    "pending ends are not put back": [(Owed, "kept", nothing_owed)],
    "who stands in tells what others hold": [(Known, "learn", _always_alone)],
}


def planted(bug: str) -> AbstractContextManager[Any]:
    """Return a context in which a bug is there."""
    patches = ExitStack()
    for owner, name, act in BUGS[bug]:
        patches.enter_context(mock.patch.object(owner, name, act))
    return patches
