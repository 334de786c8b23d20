"""Limits by the viewers' addresses: sockets held, and handshakes in a time; of this process alone.

An address is kept as a digest, under a key that is made at random and dies with the process.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import threading
import time
from collections import Counter
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from .access import Refusal
from .settings import Settings

if TYPE_CHECKING:
    from limits import RateLimitItem

#: Counts of handshakes at the most, a few an address; with more, all are forgotten.
REMEMBERED = 100_000
#: Of an IPv6 address the network: who has one address has all of it.
HOST_BITS = 64

PROXY = "Behind a proxy, ProxyFix must tell the application who comes, or all share one address."


def limit_reached(message: str, retry_after: int | None = None) -> Refusal:
    """Return the refusal of one address."""
    return Refusal(429, "limit-reached", "limit", f"{message} {PROXY}", retry_after)


class Addresses:
    """What this process knows of the addresses that viewers come from."""

    def __init__(self, settings: Settings) -> None:
        self._most = settings.max_clients_per_address
        self._rates = settings.handshake_rate
        self._rate: _Rate | None = None
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()

    def too_often(self, address: str | None) -> Refusal | None:
        """Count a handshake, or return its refusal where there were too many."""
        if self._rates is None:
            return None
        with self._lock:
            # Not before: what counts has a thread, which a fork would not have.
            rate = self._rate = self._rate or _Rate(self._rates)
        wait = rate.count(self._name(address))
        if wait is None:
            return None
        return limit_reached(
            f"More handshakes came from this address than the {self._rates} that"
            " STREAMEND_HANDSHAKE_RATE allows.",
            wait,
        )

    def full(self, address: str | None) -> Refusal | None:
        """Return a refusal where one viewer more from an address would be over the limit."""
        if self._most is None or self._held[self._name(address)] < self._most:
            return None
        return limit_reached(
            f"This address has {self._most} viewers, as many as"
            " STREAMEND_MAX_CLIENTS_PER_ADDRESS allows."
        )

    def enter(self, address: str | None) -> None:
        """Count a viewer."""
        if self._most is not None:
            with self._lock:
                self._held[self._name(address)] += 1

    def leave(self, address: str | None) -> None:
        """Count a viewer no more, and know nothing of an address without one."""
        if self._most is not None:
            name = self._name(address)
            with self._lock:
                self._held[name] -= 1
                if self._held[name] <= 0:
                    del self._held[name]

    def _name(self, address: str | None) -> str:
        network = network_of(address or "").encode(errors="surrogatepass")
        return hashlib.blake2b(network, key=self._key, digest_size=16).hexdigest()


class _Rate:
    """Counts handshakes in memory.

    :param rates: as limits has them, such as ``5/second;100/minute``.
    """

    def __init__(self, rates: str) -> None:
        from limits import parse_many
        from limits.storage import MemoryStorage
        from limits.strategies import SlidingWindowCounterRateLimiter

        self._rates: list[RateLimitItem] = parse_many(rates)
        self._storage = MemoryStorage()
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)

    def count(self, name: str) -> int | None:
        """Count one; return the seconds to wait where it is one too many."""
        if len(self._storage.storage) > REMEMBERED:
            self._storage.reset()
        for rate in self._rates:
            if not self._limiter.hit(rate, name):
                reset = self._limiter.get_window_stats(rate, name).reset_time
                return max(1, math.ceil(reset - time.time()))
        return None


def network_of(address: str) -> str:
    """Return what stands for whoever has an address: itself, or an IPv6 address's network."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return str(ip)
    return str(ip.ipv4_mapped or IPv6Address(int(ip) >> HOST_BITS << HOST_BITS))
