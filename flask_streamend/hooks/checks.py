"""Asking streaming servers who is there: what a server that died can't report.

One process at a time asks. Who is missing is counted no more, as soon as that is certain: of a
server that was started anew at once, else of one that missed the same viewer twice. An answer that
can't be had, or read, changes nothing.

No server says again who came before: a store that was emptied is told by who checked last.
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
from ..store.base import GuestAct
from ..store.interface import Store
from ..telemetry.logs import log
from . import names
from .call import HookError, Server, Sight
from .fetch import fetch
from .memory import Key, Memory, Seen
from .servers import servers

#: Seconds between two checks of a server.
EVERY = 10.0
#: Milliseconds after which another process checks, where the one that did is gone.
TURN_MS = 30_000


class _Round(NamedTuple):
    """What one check found: who was noted, for when; who was missing; and where each was seen."""

    sight: Sight
    noted: dict[Key, int]
    missing: dict[Key, int]
    seen: dict[Key, Seen]


class Checks:
    """Checks the servers of STREAMEND_HOOK_CHECKS for one process.

    :param urls: addresses, by a server's kind, or kind, ``/`` and name.
    :param ttl: seconds after which who is never reported out is gone; who is there is not.
    :param grace: returns an event's grace period, in milliseconds.
    :param fail: called to count a check that failed.
    :param life: returns the life of the store that this process knows: at another one they are
        checked at once.
    :raises ConfigurationError: where a kind is not known.
    """

    def __init__(
        self,
        urls: Mapping[str, str],
        store: Store,
        guests: Guests,
        sealer: Sealer,
        ttl: float,
        grace: Callable[[str], int],
        fail: Callable[[], None],
        life: Callable[[], str] = str,
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
        self._grace = grace
        self._fail = fail
        self._life = life
        self._lived = ""
        self._own = secrets.token_hex(8)
        self._next = 0.0
        self._thread: threading.Thread | None = None
        self._rounds: dict[str, _Round] = {}
        self._memory = Memory(grace)
        self._failing: set[str] = set()

    def tick(self) -> float | None:
        """Have the servers checked, if it is time; return the seconds until the next check is."""
        if not self._urls:
            return None
        now = time.monotonic()
        if self._lived != (life := self._life()):
            self._lived, self._next = life, now
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
                # Who knows of another life of the store has something to tell this one.
                turn = self._store.turn(f"check:{name}", self._own, TURN_MS)
                if turn or self._memory.other_life(name, lambda: self._store.look(None).epoch):
                    self._check(name, url)
                if not turn:
                    self._rounds.pop(name, None)
                    self._memory.forget(name)
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
        look = self._store.look(None)
        noted = {(event, guest): until for event, guest, until in self._store.guests(tag)}
        self._memory.note(name, look.epoch, frozenset(noted))
        server: Server = servers()[kind]
        sight = server.look(url, fetch)
        kinds = {
            stands_for: does
            for viewer in sight.ids
            for does in names.KINDS
            for stands_for in names.pseudonyms(self._sealer, tag, does, viewer)
        }
        there = {
            key: kinds[stands_for]
            for key in noted.keys() | self._memory.who(name)
            if (stands_for := names.parts(tag, key[1])[1]) in kinds
        }
        last = self._rounds.get(name, _Round(sight, {}, {}, {}))
        seen = self._memory.lost(name, look.epoch, frozenset(noted), sight, there, last.seen)
        for key, one in seen.items():
            self._bring_back(key, one.kind)
            if sight.restarted(last.sight):
                # Whoever is not there is with no other process of it.
                seen[key] = one._replace(place=sight.place)
        missing: dict[Key, int] = {}
        for key, until in noted.items():
            if key in there:
                seen[key] = Seen(sight.place, there[key])
                if until - look.now < self._ttl * 500:
                    self._guests.renew(*key, self._ttl)
                continue
            if key in last.seen:
                seen[key] = last.seen[key]
            anew = sight.restarted(last.sight) and last.noted.get(key) == until
            if anew or sight.other_life(names.parts(tag, key[1])[0]):
                self._guests.lose(*key, until)
            elif sight.whole or (key in seen and seen[key].place == sight.place):
                # Once may be one whose play was answered, and has not begun.
                if last.missing.get(key) == until:
                    self._guests.lose(*key, until)
                missing[key] = until
        self._rounds[name] = _Round(sight, noted, missing, seen)

    def _bring_back(self, key: Key, kind: names.Kind) -> None:
        act: GuestAct = "in" if kind == "plays" else "publish"
        delay = self._grace(key[0])
        # An out that came since found nobody, and would be taken for one that overtook this; but it
        # is the end of something, which two checks from now begins.
        for _ in range(2):
            self._guests.note(act, *key, self._ttl, secrets.token_hex(8), delay)
