"""All checks, in the order in which one would ask."""

from __future__ import annotations

from collections.abc import Sequence
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
LAST: tuple[Check, ...] = (mail,)


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
    findings = _all_of(FIRST, case, ())
    # Asked first and told last: a web process says what it is after its first request.
    visited = tuple(frontend(case))
    looked = True
    try:
        shared = SHARED if case.state.redis is not None else ()
        for check in (store, *shared):
            findings += _all_of((check,), case, findings)
    except StoreError as error:
        looked = False
        findings.append(wrong("redis-away", str(error)))
    findings += _all_of(LAST, case, findings)
    return Verdict((*findings, *visited), looked)


def _all_of(checks: Sequence[Check], case: Case, before: Sequence[Finding]) -> list[Finding]:
    """Return what checks find, without what an earlier one found otherwise."""
    known = {finding.check for finding in before}
    found = (finding for check in checks for finding in check(case))
    return [one for one in found if one.level == "ok" or one.check not in known]
