"""Unit tests of the burn rates: each pair of windows, each limit, from both sides.

A system that was well until the long window began then has notices late at one rate, and in the
short window at another: both ratios are chosen freely, since few notices fall into the short one.
"""

from __future__ import annotations

from dataclasses import dataclass

from .cases_symptoms import burnt, notices
from .promtool import Case, Fires

TICKET = {"severity": "warning", "job": "live"}
HOUR, DAY = 3600, 86_400


@dataclass(frozen=True)
class Pair:
    """Two windows of an alert.

    :param before: seconds for which all was well before the long window.
    :param every: seconds between samples.
    """

    alert: str
    long: int
    short: int
    limit: float
    before: int
    every: int

    def fires(self, late: float) -> Fires:
        """Return what fires with this part late."""
        if self.alert == "LatencyBurn":
            return burnt(f"{late:.4g}%")
        return Fires(
            "live: hosts are told late, day after day",
            f"{late:.4g}% of the notices of the last day, or three, took over 5 s or were given up;"
            " the objective allows 1%, and won't be met this month.",
            TICKET,
        )

    def series(self, long: float, short: float, late: float) -> tuple[dict[str, str], int]:
        """Return notices, and a second at which both windows have shown these ratios for a while.

        :param long: the part that is late in the long window, before the short one.
        :param short: the part in the short window.
        :param late: how many are late before the short window.
        """
        # Its pending time is over a step later.
        end = self.before + self.long + self.every
        turn = end - self.every - self.short
        told, good = {0: 0.0}, {0: 0.0}
        each = late / long * self.every / (self.long - self.short)
        for at in range(self.every, end + 1, self.every):
            count, part = each, long
            if at <= self.before:
                # Much, and all in time: longer windows show nothing.
                count, part = each * 1000, 0
            elif at > turn:
                count, part = each / 1000, short
            told[at] = told[at - self.every] + count
            good[at] = good[at - self.every] + count * (1 - part)
        return notices(told, good, end, self.every), end


PAIRS = (
    Pair("LatencyBurn", HOUR, 300, 0.144, HOUR, 60),
    Pair("LatencyBurn", 6 * HOUR, 1800, 0.06, 0, 300),
    Pair("LatencyBurnSlow", DAY, 2 * HOUR, 0.03, 6 * HOUR, 1800),
    Pair("LatencyBurnSlow", 3 * DAY, 6 * HOUR, 0.01, 0, 3600),
)
OVER, UNDER = 1.15, 0.85
#: Just over the floor, and just under it.
ENOUGH, FEW = 5.2, 4.2


def cases(pair: Pair) -> list[Case]:
    """Return both over their limit, and each thing short of it."""
    name = f"{pair.long // 60} and {pair.short // 60} minutes"
    found = []
    for says, long, short, late in (
        ("fires where both are over their limit", OVER, OVER, ENOUGH),
        ("silent where the long window is under its limit", UNDER, OVER, 5 * ENOUGH),
        ("silent where the short window is under its limit", OVER, UNDER, 5 * ENOUGH),
        ("silent where few were late", OVER, OVER, FEW),
    ):
        series, end = pair.series(long * pair.limit, short * pair.limit, late)
        fires = [pair.fires(100 * long * pair.limit)] if says.startswith("fires") else []
        found.append(Case(pair.alert, f"{name}: {says}", series, {end: fires}, pair.every))
    return found


CASES = tuple(case for pair in PAIRS for case in cases(pair))
