"""What a check found, and what the checks look at."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from flask import Flask

from ..facts import Facts, of_shell
from ..problems import CURES
from ..state import AppState
from ..store.totals import Totals
from ..telemetry.logs import printable
from ..telemetry.queues import QueueView, RQWorker, look_at_queue, look_at_workers

Level = Literal["ok", "warning", "problem"]
#: How a line begins.
MARKS: dict[Level, str] = {"ok": "ok", "warning": "! ", "problem": "!!"}
#: Characters that a line with its cure may have.
WIDE = 100
#: Seconds in which a web process that has answered says what it is, and between two looks for it.
INTRODUCED, LOOK = 5.0, 0.05


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's.

    :param check: what was looked at; where something is wrong, the problem code.
    :param cure: what to do; empty where all is well.
    """

    check: str
    level: Level
    found: str
    cure: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it for tools."""
        return asdict(self)

    def __str__(self) -> str:
        line = f"{MARKS[self.level]} {self.check} {printable(self.found)}"
        if not self.cure:
            return line
        whole = f"{line} ({self.cure})"
        if len(whole) <= WIDE:
            return whole
        cure = textwrap.fill(self.cure, WIDE, initial_indent="   ", subsequent_indent="   ")
        return f"{line}\n{cure}"


def fine(check: str, found: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(check, "ok", found)


def wrong(code: str, found: str, cure: str = "", **values: object) -> Finding:
    """Return a problem.

    :param cure: in place of the one that belongs to the code.
    :param values: what the code's cure names.
    """
    return Finding(code, "problem", found, cure or CURES[code].format(**values))


def doubtful(code: str, found: str, cure: str = "", **values: object) -> Finding:
    """Return a warning: it may be meant so."""
    return Finding(code, "warning", found, cure or CURES[code].format(**values))


def counted(number: int, word: str) -> str:
    """Return a number with its word: ``no problems``, ``1 problem``, ``2 problems``."""
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


@dataclass
class Case:
    """What is looked at: an application, and all that is known of its processes.

    :param url: where viewers' pages find the site; None: at FRONTEND_URL.
    :param fetch: whether pages may be fetched through it.
    :param answered: whether a web process answered just now.
    """

    app: Flask
    state: AppState
    url: str | None = None
    fetch: bool = True
    answered: bool = False

    @cached_property
    def totals(self) -> Totals:
        """Return the system's figures. This and what follows may raise StoreError."""
        return self.state.store.totals(0)

    @cached_property
    def web(self) -> list[tuple[str, int, Facts | None]]:
        """Return each web process: its name in the store, its viewers, what it said of itself.

        One that has answered and is not known yet is waited for: else a site that was just started
        would look as if it were not there, whatever is wrong with it.
        """
        until = time.monotonic() + (INTRODUCED if self.answered else 0)
        while True:
            living = [one for one in self.state.store.introduced() if not one.worker]
            found = [(one.who, one.clients, Facts.unpack(one.facts)) for one in living]
            known = any(facts is not None for _, _, facts in found)
            if known or time.monotonic() >= until:
                return found
            time.sleep(LOOK)

    @property
    def web_facts(self) -> list[Facts]:
        """Return what web processes said of themselves."""
        return [facts for _, _, facts in self.web if facts is not None]

    @cached_property
    def queue(self) -> QueueView:
        """Return the queue's figures."""
        assert self.state.redis is not None
        return look_at_queue(self.state.redis, self.state.settings.queue)

    @cached_property
    def workers(self) -> list[tuple[RQWorker, Facts | None]]:
        """Return each RQ worker of this Redis, with what it said of itself."""
        assert self.state.redis is not None
        said = self._said_by_workers
        return [(w, said.get(w.name)) for w in look_at_workers(self.state.redis)]

    @property
    def own_workers(self) -> list[tuple[RQWorker, Facts | None]]:
        """Return the workers that read the application's queue."""
        return [row for row in self.workers if self.state.settings.queue in row[0].queues]

    @cached_property
    def workers_elsewhere(self) -> list[Facts]:
        """Return workers of this application that take their jobs from another Redis."""
        here = {worker.name for worker, _ in self.workers}
        own = self.shell.store
        return [
            facts
            for name, facts in self._said_by_workers.items()
            if name not in here and facts.listens not in ("", own)
        ]

    @cached_property
    def _said_by_workers(self) -> dict[str, Facts]:
        said = {
            i.who.partition(":")[2]: Facts.unpack(i.facts)
            for i in self.state.store.introduced()
            if i.worker
        }
        return {name: facts for name, facts in said.items() if facts is not None}

    @cached_property
    def shell(self) -> Facts:
        """Return what this very process is."""
        return of_shell(self.app, self.state)


Check = Callable[[Case], Iterable[Finding]]
