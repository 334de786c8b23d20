"""What an alert is, and the links that each has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

PREFIX = "Streamend"

#: ``critical`` pages, ``warning`` is a ticket, ``info`` wakes nobody.
Severity = Literal["critical", "warning", "info"]

#: Labels that are variables of the overview too.
_VARIABLES = ("job", "instance", "queue")


@dataclass(frozen=True)
class Links:
    """Where the links in an alert lead.

    :param grafana: Grafana's address, without a slash at the end.
    :param runbook: the runbook's address.
    """

    grafana: str = "http://localhost:3000"
    runbook: str = "docs/runbook.md"


@dataclass(frozen=True)
class Alert:
    """An alert rule.

    :param name: without prefix; with it a heading of the runbook.
    :param wait: how long its condition holds before it fires; empty: at once.
    :param expr: PromQL; each clause (``and``, ``or``, ``unless``) begins a line.
    :param summary: one line, with the application's name.
    :param description: what the figure is, and the first move.
    :param by: labels that its series have.
    """

    name: str
    wait: str
    severity: Severity
    expr: str
    summary: str
    description: str
    by: tuple[str, ...] = ("job",)

    @property
    def full_name(self) -> str:
        """Return the name as Prometheus has it."""
        return PREFIX + self.name

    def links(self, links: Links) -> dict[str, str]:
        """Return where to look, and what to do: annotations of the rule."""
        variables = "&".join(
            f"var-{label}={{{{ $labels.{label} | urlquery }}}}"
            for label in self.by
            if label in _VARIABLES
        )
        return {
            "dashboard_url": f"{links.grafana}/d/streamend-overview?{variables}",
            "runbook_url": f"{links.runbook}#{self.full_name.lower()}",
        }

    def rule(self, links: Links) -> dict[str, Any]:
        """Return the rule as its file has it."""
        texts = {"summary": self.summary, "description": self.description}
        return {
            "alert": self.full_name,
            "expr": self.expr.strip(),
            **({"for": self.wait} if self.wait else {}),
            "labels": {"severity": self.severity},
            "annotations": {**texts, **self.links(links)},
        }
