"""Asking streaming servers who is there: what a server that died can't report.

One process at a time asks. Who is missing is counted no more, as soon as that is certain: of a
server that was started anew at once, else of one that missed the same viewer twice. An answer that
can't be had, or read, changes nothing.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..errors import ConfigurationError, StoreError
from ..guests import Guests
from ..sealing import Sealer
from ..store.interface import Store
from ..telemetry.logs import log
from . import names
from .call import HookError, Server, Sight
from .fetch import fetch
from .servers import servers

#: Seconds between two checks of a server.
EVERY = 10.0
#: Milliseconds after which another process checks, where the one that did is gone.
TURN_MS = 30_000

_Key = tuple[str, str]


class _Round(NamedTuple):
    """What one check found: who was noted, for when; who was missing; and where each was seen."""

    sight: Sight
    noted: dict[_Key, int]
    missing: dict[_Key, int]
    seen: dict[_Key, str]


class Checks:
    """Checks the servers of STREAMEND_HOOK_CHECKS for one process.

    :param urls: addresses, by a server's kind, or kind, ``/`` and name.
    :param ttl: seconds after which who is never reported out is gone; who is there is not.
    :param fail: called to count a check that failed.
    :raises ConfigurationError: where a kind is not known.
    """

    def __init__(
        self,
        urls: Mapping[str, str],
        store: Store,
        guests: Guests,
        sealer: Sealer,
        ttl: float,
        fail: Callable[[], None],
    ) -> None:
        for name in urls:
            if name.partition("/")[0] not in servers():
                raise ConfigurationError(
                    f"STREAMEND_HOOK_CHECKS names {name!r}: expected one of"
                    f" {', '.join(sorted(servers()))}, or that with /NAME"
                )
        self._urls = urls
        self._store = store
        self._guests = guests
        self._sealer = sealer
        self._ttl = ttl
        self._fail = fail
        self._own = secrets.token_hex(8)
        self._next = 0.0
        self._thread: threading.Thread | None = None
        self._rounds: dict[str, _Round] = {}
        self._failing: set[str] = set()

    def tick(self) -> float | None:
        """Have the servers checked, if it is time; return the seconds until the next check is."""
        if not self._urls:
            return None
        now = time.monotonic()
        if now >= self._next and not (self._thread and self._thread.is_alive()):
            self._next = now + EVERY
            # Beside the keeper's thread: a server that hangs must not keep a process from its beat.
            self._thread = threading.Thread(
                target=self.run, name="flask_streamend.checks", daemon=True
            )
            self._thread.start()
        return max(0.1, self._next - now)

    def run(self) -> None:
        """Check each server whose turn is this process's."""
        for name, url in self._urls.items():
            try:
                if self._store.turn(f"check:{name}", self._own, TURN_MS):
                    self._check(name, url)
                else:
                    self._rounds.pop(name, None)
            except StoreError:
                return  # counted and logged by whoever beats; the next check is in a while
            except Exception as error:  # noqa: BLE001 - whatever it is, it changed nothing
                self._fail()
                if name not in self._failing:
                    self._failing.add(name)
                    what = error if isinstance(error, HookError) else repr(error)
                    log.warning(
                        "The streaming server %s can't be asked who is there: %s", name, what
                    )
            else:
                if name in self._failing:
                    self._failing.remove(name)
                    log.info("The streaming server %s says again who is there", name)

    def _check(self, name: str, url: str) -> None:
        kind, _, instance = name.partition("/")
        tag = names.tag(kind, instance)
        # Noted before it is asked: who comes meanwhile is not judged.
        now = self._store.look(None).now
        noted = {(event, guest): until for event, guest, until in self._store.guests(tag)}
        server: Server = servers()[kind]
        sight = server.look(url, fetch)
        there = {
            name
            for viewer in sight.ids
            for kind in names.KINDS
            for name in names.pseudonyms(self._sealer, tag, kind, viewer)
        }
        last = self._rounds.get(name, _Round(sight, {}, {}, {}))
        seen: dict[_Key, str] = {}
        missing: dict[_Key, int] = {}
        for key, until in noted.items():
            life, stands_for = names.parts(tag, key[1])
            if stands_for in there:
                seen[key] = sight.place
                if until - now < self._ttl * 500:
                    self._guests.renew(*key, self._ttl)
                continue
            if key in last.seen:
                seen[key] = last.seen[key]
            anew = sight.restarted(last.sight) and last.noted.get(key) == until
            if anew or sight.other_life(life):
                self._guests.lose(*key, until)
            elif sight.whole or last.seen.get(key) == sight.place:
                # Once may be one whose play was answered, and has not begun.
                if last.missing.get(key) == until:
                    self._guests.lose(*key, until)
                missing[key] = until
        self._rounds[name] = _Round(sight, noted, missing, seen)
