"""Whether claims and reaps must wait, in the store in memory: as ``lua/lib_pulse.lua`` does it."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field

from .bounds import LEASE_MS, QUIET_MS


@dataclass
class Pulse:
    """When somebody was last heard of. Instants in milliseconds on the store's clock."""

    epoch: str = field(default_factory=lambda: secrets.token_hex(8))
    awake: int | None = None
    lease: int = LEASE_MS
    since: int = 0
    till: int = 0
    whole: bool = False
    hold: int = 0
    emptied: bool = False
    swept: int = 0

    def beat(
        self,
        now: int,
        leases: Collection[int],
        sessions: int,
        knew: str = "",
        lease: int = 0,
        quiet: int = 0,
    ) -> int:
        """Note who is heard of, and return the milliseconds of a gap that are left.

        :param leases: when each holder's lease lapses.
        :param sessions: how many sessions there are.
        """
        self.lease = lease = lease or self.lease
        if self.awake is None:
            self.awake = now + QUIET_MS
        elif now > self.awake and (len(leases) + sessions > 0 or self.emptied):
            # One that was emptied may have forgotten whom it is to wait for.
            # Nobody could use a wait for holders that are not known: it begins anew.
            self.whole = not leases or (self.whole and self.till > self.awake - QUIET_MS)
            self.since, self.till = now, max(self.till, now + lease)
            self.awake = self.till + QUIET_MS
        if knew and knew != self.epoch and not self.emptied:
            self.emptied, self.whole = True, True
            self.since, self.till = now, max(self.till, now + lease)
        if quiet:
            speaks = quiet <= min(QUIET_MS, lease / 2) or not any(at >= now for at in leases)
            self.awake = now + quiet if speaks else min(self.awake, now + quiet)
        gap = max(0, self.till - now)
        if not self.whole and not any(self.stale(at, gap) for at in leases):
            return 0
        return gap

    def stale(self, at: int, gap: int) -> bool:
        """Return whether a lease is older than the gap there is."""
        return gap > 0 and at < self.since + self.lease

    def held(self, now: int) -> int:
        """Return the milliseconds of a hold that are left."""
        return max(0, self.hold - now)
