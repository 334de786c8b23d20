"""All checks, in the order in which one would ask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import StoreError
from .findings import Case, Check, Finding, wrong
from .frontend import frontend
from .mail import mail
from .processes import agreement, queue, web
from .site import application, settings, software
from .store import progress, store

#: What needs nothing but this shell, before and after what needs the store of several processes.
FIRST: tuple[Check, ...] = (settings, software, application)
SHARED: tuple[Check, ...] = (web, queue, agreement, progress)
LAST: tuple[Check, ...] = (mail, frontend)


@dataclass(frozen=True)
class Verdict:
    """All that was found.

    :param looked: False where the store did not answer, so that the rest is not known.
    """

    findings: tuple[Finding, ...]
    looked: bool

    def count(self, level: str) -> int:
        """Return how many findings there are of a level."""
        return sum(finding.level == level for finding in self.findings)


def examine(case: Case) -> Verdict:
    """Look at everything."""
    findings: list[Finding] = [finding for check in FIRST for finding in check(case)]
    looked = True
    try:
        findings += _of_store(case)
    except StoreError as error:
        looked = False
        findings.append(wrong("redis-away", str(error)))
    findings += (finding for check in LAST for finding in check(case))
    return Verdict(tuple(_once(findings)), looked)


def _of_store(case: Case) -> Iterator[Finding]:
    yield from store(case)
    if case.state.redis is not None:
        for check in SHARED:
            yield from check(case)


def _once(findings: list[Finding]) -> Iterator[Finding]:
    """Yield each problem once, where a worker met what was found otherwise too."""
    seen: set[str] = set()
    for finding in findings:
        if finding.level != "problem" or finding.check not in seen or "met it" not in finding.found:
            yield finding
        seen.add(finding.check)
