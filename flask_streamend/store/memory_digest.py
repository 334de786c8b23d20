"""Several deliveries of one end, and several ends in one delivery, in the store in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from .base import Kept
from .bounds import DIGEST_MAX, SENDING_MS, STRAY_MS
from .deliveries import Member, Share, Waits, beside
from .memory_entries import Entry
from .memory_ledger import MemoryLedger
from .memory_session import Session
from .totals import SETTLED


class MemoryDigests(MemoryLedger):
    """Splits deliveries by channel, and gathers them into digests."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        super().__init__(clock)
        self._digests: dict[tuple[str, str], str] = {}

    def _owned(self, delivery: str, owner: str) -> Entry | None:
        entry = self._ledger.get(delivery)
        return entry if entry is not None and entry.owner == owner else None

    def _beside(self, id_: str, end: Entry, due: int, channel: str, next_at: int) -> Entry:
        """Put a delivery into the ledger beside its end's first one."""
        made = Entry(end.event_id, end.session, due, end.clients, next_at, channel=channel)
        self._ledger[id_] = made
        self._stats["deliveries_made"] += 1
        return made

    def _beside_end(self, session: str, id_: str) -> None:
        first = self._ledger.get(session)
        if first is not None and id_ not in first.others:
            first.others.append(id_)

    def split(self, delivery: str, owner: str, channels: Sequence[str], trace: str = "") -> str:
        with self._act():
            entry = self._owned(delivery, owner)
            if entry is None or entry.channel:
                return "" if entry is None else entry.channel
            entry.channel = channels[0]
            end = replace(entry.session, trace=entry.session.trace or trace)
            for channel in channels[1:]:
                id_ = beside(entry.session.id, channel)
                # Told already by a process that no store knew of then.
                if id_ not in self._ledger:
                    self._beside(id_, entry, entry.due, channel, self._now()).session = end
                self._beside_end(entry.session.id, id_)
            return entry.channel

    def group(
        self, delivery: str, owner: str, whose: str, channel: str, wait: int, most: int = DIGEST_MAX
    ) -> Waits | None:
        with self._act():
            now, entry = self._now(), self._owned(delivery, owner)
            if entry is None or entry.state != "pending":
                return None
            id_, digest = entry.digest, self._open_digest(entry.digest)
            if digest is None:
                id_, entry.digest = self._digests.get((whose, channel), ""), ""
                digest = self._open_digest(id_)
                if digest is not None and len(digest.members or ()) >= most:
                    digest = None
            made = digest is None
            if digest is None:
                id_, due = f"digest-{delivery}", entry.due + wait
                digest = self._beside(id_, entry, due, channel, due)
                digest.clients, digest.again, digest.whose = 0, True, (whose, channel)
                self._digests[whose, channel] = id_
            digest.members = digest.members or []
            if not entry.digest:
                session = entry.session
                member = Member(
                    *(delivery, entry.event_id, session.id, entry.due, entry.clients),
                    *(session.started, session.peak, session.unique),
                )
                digest.members.append(member)
            entry.digest, entry.channel, entry.owner = id_, channel, None
            entry.next_at = max(now, digest.due) + STRAY_MS
            # It is not overdue before its digest is.
            entry.waits = digest.due
            return Waits(id_, digest.due, max(0, digest.due - now), made)

    def _open_digest(self, id_: str) -> Entry | None:
        """Return a digest that takes more; one whose outcome was put back was never gathered."""
        digest = self._ledger.get(id_)
        return digest if digest is not None and digest.settled is None else None

    def gather(
        self, digest: str, owner: str, lease: int, out: Mapping[str, str] | None = None
    ) -> list[Member] | None:
        with self._act():
            entry = self._owned(digest, owner)
            if entry is None:
                return None
            members = entry.members or []
            if not entry.frozen:
                members = [m for m in members if self._settle_in(m, digest, "pending", "digested")]
                entry.frozen = True
                if self._digests.get(entry.whose) == digest:
                    del self._digests[entry.whose]
            for n, member in enumerate(members):
                reason = (out or {}).get(member.id, "")
                if reason and not member.out:
                    members[n] = replace(member, out=reason)
                    self._stats[f"skips|{reason}"] += 1
                    self._settle_in(member, digest, "digested", "skipped", reason)
            entry.members, entry.next_at = members, self._now() + lease
            return list(members)

    def _settle_in(
        self, member: Member, digest: str, before: str, state: str, error: str = ""
    ) -> bool:
        """Settle a member as its digest settles it; False where it isn't as it must be."""
        entry = self._ledger.get(member.id)
        if entry is None or entry.state != before or entry.digest != digest:
            return False
        entry.state, entry.error, entry.owner = state, error, None
        entry.settled, entry.next_at = self._now(), None
        return True

    def _made_room(self, entry: Entry) -> bool:
        """Have a later end make room for one of its name.

        Nobody knows of it by that, or has tried to tell it. Its new name is none that a session
        gets which comes after another.
        """
        if entry.settled is not None or entry.attempts or entry.channel:
            return False
        del self._ledger[entry.session.id]
        entry.session.id, entry.owner = self._fresh(f"{entry.session.id} went on"), None
        entry.next_at, self._ledger[entry.session.id] = self._now(), entry
        return True

    def _put_beside(self, holder: str, end: Kept, due: int) -> bool:
        """Put back a delivery beside its end's first one: of the session it says nothing."""
        first = self._ledger.get(end.session)
        later = first is not None and first.later_than(due)
        if first and later and not (end.state in SETTLED and self._made_room(first)):
            return False
        entry, now = self._ledger.get(end.id), self._after()
        put = entry is None
        if entry is None:
            session = Session(end.session, now - end.age, 0, end.peak, end.trace)
            session.unique = end.unique_viewers
            known = Entry(end.event_id, session, due, end.clients, None)
            entry = self._beside(end.id, known, known.due, end.channel, self._now())
            entry.error, entry.owner = end.error, holder
            self._beside_end(end.session, end.id)
        elif entry.settled is not None or (entry.owner != holder and end.state not in SETTLED):
            return False
        self._know(entry, end)
        return put

    def _know(self, entry: Entry, end: Kept) -> None:
        """Take over what is known of a delivery's state, by who tried it."""
        entry.state = end.state
        if end.state in SETTLED:
            entry.channel, entry.error, entry.owner = end.channel, end.error, None
            entry.settled, entry.next_at = self._now(), None
        else:
            entry.attempts = end.attempts
            entry.next_at = self._now() + (SENDING_MS if end.state == "sending" else 0)

    def _owed_shares(self, session: str) -> tuple[Share, ...] | None:
        """Return how an end's deliveries stand; nothing where none is settled, None where all."""
        first = self._ledger.get(session)
        ids = [session, *(first.others if first else ())]
        shares = tuple(
            Share(id_, entry.channel, "pending" if self._is_open(entry) else entry.state)
            for id_, entry in ((id_, self._ledger.get(id_)) for id_ in ids)
            if entry is not None
        )
        states = [share.state == "pending" for share in shares]
        if not any(states):
            return None
        return () if all(states) else shares

    def _is_open(self, entry: Entry) -> bool:
        """Return whether a delivery is open, or its digest, which has its members told."""
        if entry.state == "digested":
            entry = self._ledger.get(entry.digest, entry)
        return entry.next_at is not None
