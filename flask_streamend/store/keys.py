"""The one builder of key names.

Every key starts with the namespace and carries it as a hash tag, so that a cluster keeps them all
in one slot and a script may touch several of them.
"""

from __future__ import annotations


class Keys:
    """The keys of one namespace.

    ============  ======  ==========================================================
    key           type    holds
    ============  ======  ==========================================================
    holders       zset    process -> when its lease lapses
    held:PROCESS  hash    event -> viewers that process holds; ``#seq`` -> its last report,
                          which stays for a minute when the process is gone
    held:guests   hash    event -> viewers by name, whom no process holds
    guests:EVENT  zset    viewer (hashed) -> when it is gone by itself
    publishers:EVENT  zset  publisher (hashed) -> when it is gone by itself
    outs:EVENT    zset    guest who is out, and whether it was in -> when that is forgotten
    stragglers:EVENT  zset  viewer (hashed) of a stopped session -> when it is gone; for an hour
    expiry        zset    event -> when the first of its guests is gone by itself
    clients       zset    event -> viewers over all processes; 0 while ending
    viewers       hash    event -> a sketch of who has watched by name (lib_meet.lua)
    scratch       string  a sketch, while a script has it in hand
    sessions      hash    event -> its session as JSON
    due           zset    event -> when it ends; only while ending
    pulse         hash    when somebody was last heard of; gap and hold (lib_pulse.lua)
    shared        zset    event -> when a second process came to hold viewers of it; for an hour
    over          zset    "event session stopped" or "… purged" -> when; for an hour
    ledger        hash    delivery -> its record as JSON
    open          zset    delivery -> when it may be taken up next
    owed:STATE    zset    delivery -> when its event ended: pending, sending, retrying
    exemplars     hash    channel and bound -> the last notice that fell there, as JSON
    digests       hash    host (hashed) and channel -> the digest that its next ends join
    closed        zset    delivery -> when it was settled
    stats         hash    counter field -> value; ``clients`` -> the sum of viewers
    failing       hash    channel -> 1: it failed as a whole, and something may wait for it
    problems      hash    problem code -> when a worker met it; until one gets by it
    facts         hash    process, or ``worker:NAME`` -> until when, and what it says of itself
    canary:EVENT  string  a canary's event, sealed; until it is over
    turn:WHAT     string  who does it now, one at a time
    ringing       string  there while one process has been asked to ring
    ============  ======  ==========================================================
    """

    GUESTS = "guests"
    """The holder of viewers by name; real holders are hexadecimal."""

    def __init__(self, namespace: str) -> None:
        self._prefix = f"{namespace}:{{{namespace}}}:"
        self.holders = self.key("holders")
        self.clients = self.key("clients")
        self.sessions = self.key("sessions")
        self.viewers = self.key("viewers")
        self.scratch = self.key("scratch")
        self.due = self.key("due")
        self.expiry = self.key("expiry")
        self.over = self.key("over")
        self.pulse = self.key("pulse")
        self.shared = self.key("shared")
        self.failing = self.key("failing")
        self.ringing = self.key("ringing")
        self.ledger = self.key("ledger")
        self.open = self.key("open")
        self.pending = self.key("owed:pending")
        self.sending = self.key("owed:sending")
        self.retrying = self.key("owed:retrying")
        self.exemplars = self.key("exemplars")
        self.digests = self.key("digests")
        self.closed = self.key("closed")
        self.stats = self.key("stats")
        self.problems = self.key("problems")
        self.facts = self.key("facts")

    def key(self, name: str) -> str:
        """Return the full name of a key."""
        return self._prefix + name

    def guests(self, event_id: str) -> str:
        """Return the key of an event's viewers by name."""
        return self.key(f"guests:{event_id}")

    def publishers(self, event_id: str) -> str:
        """Return the key of an event's publishers by name."""
        return self.key(f"publishers:{event_id}")

    def outs(self, event_id: str) -> str:
        """Return the key of an event's guests who are out."""
        return self.key(f"outs:{event_id}")

    def stragglers(self, event_id: str) -> str:
        """Return the key of viewers by name whose session was stopped."""
        return self.key(f"stragglers:{event_id}")

    def canary(self, event_id: str) -> str:
        """Return the key of a canary's sealed event."""
        return self.key(f"canary:{event_id}")

    def held(self, holder: str) -> str:
        """Return the key of what one holder holds."""
        return self.key(f"held:{holder}")
