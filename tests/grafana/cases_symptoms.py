"""Unit tests of the alerts that page: hosts are not told, or many are told late."""

from __future__ import annotations

from collections.abc import Mapping

from .promtool import Case, Fires, both, steps, up

PAGE = {"severity": "critical", "job": "live"}
MAIL = {**PAGE, "channel": "email"}
LATE = "streamend_notification_latency_seconds"


def not_told(count: int) -> Fires:
    """Return what fires where this many notices were never tried."""
    return Fires(
        "live: hosts are not told that their streams have ended",
        f"{count} notices are due and were not even tried. The uppermost red lane of the panel"
        ' "What stops notices" is the cause.',
        PAGE,
    )


def waiting(changes: Mapping[int, float], state: str = "pending") -> dict[str, str]:
    """Return overdue notices in a state."""
    return both("streamend_notifications_overdue", steps(480, changes), state=state)


def paused(reason: str) -> dict[str, str]:
    """Return: ends wait for this reason."""
    return both("streamend_paused", steps(480, {0: 1}), reason=reason)


TWO = {0: 0, 75: 2, 390: 0}
HOSTS_NOT_TOLD = (
    Case(
        "HostsNotTold",
        "fires after a minute, with the number, and resolves",
        {**waiting(TWO), **waiting({0: 1}, "retrying")},
        {60: [], 120: [], 135: [not_told(2)], 375: [not_told(2)], 390: []},
    ),
    Case(
        "HostsNotTold",
        "one notice is enough, in a gap after Redis was away too",
        {**waiting({0: 0, 75: 1}), **paused("gap")},
        {135: [not_told(1)]},
    ),
    Case(
        "HostsNotTold",
        "silent where an operator holds all notices",
        {**waiting(TWO), **paused("hold")},
        {375: []},
    ),
    Case(
        "HostsNotTold",
        "silent where the channel was tried",
        {**waiting({0: 9}, "retrying"), **waiting({0: 1}, "sending")},
        {375: []},
    ),
)


def down(count: int) -> Fires:
    """Return what fires where this many attempts failed."""
    return Fires(
        "live: no notice gets through by email",
        f"{count} attempts by email failed in 10 minutes for want of a connection, an answer or a"
        " login, and none succeeded in the last 5. What is due waits, and is told once it works"
        " again.",
        MAIL,
    )


def attempts(
    failures: Mapping[int, float],
    sent: Mapping[int, float],
    reason: str = "connect",
    until: int = 900,
    state: str = "retrying",
    over: int = 900,
) -> dict[str, str]:
    """Return attempts that failed for a reason, and some that did not.

    :param state: of what is overdue.
    :param over: from when on nothing is overdue.
    """
    return {
        **up(until),
        **both(
            "streamend_notifications_overdue", steps(until, {0: 0, 75: 1, over: 0}), state=state
        ),
        **both(
            "streamend_delivery_failures_total",
            steps(until, failures),
            channel="email",
            reason=reason,
        ),
        **both("streamend_notifications_total", steps(until, sent), channel="email", status="sent"),
        **both(
            "streamend_notifications_total",
            steps(until, failures),
            channel="email",
            status="failed",
        ),
    }


THREE = {0: 0, 60: 1, 120: 2, 180: 3}
CHANNEL_DOWN = (
    Case(
        "ChannelDown",
        "fires 2 minutes after the third failure, and resolves with the first notice sent",
        attempts(THREE, {0: 7, 600: 8}),
        {180: [], 285: [], 300: [down(3)], 585: [down(3)], 600: []},
    ),
    Case(
        "ChannelDown",
        "resolves when nothing waits any more",
        attempts(THREE, {0: 7}, state="sending", over=450),
        {300: [down(3)], 435: [down(3)], 450: []},
    ),
    Case(
        "ChannelDown",
        "silent where what is overdue was not tried yet",
        attempts(THREE, {0: 7}, state="pending"),
        {600: []},
    ),
    Case(
        "ChannelDown",
        "silent long after the first success, where nothing else was due since",
        attempts(THREE, {0: 7, 210: 8}, until=1200, over=210),
        {t: [] for t in range(180, 1200, 15)},
    ),
    Case(
        "ChannelDown",
        "failures of several kinds count together",
        {
            **attempts({0: 0, 60: 1}, {0: 0}),
            **both(
                "streamend_delivery_failures_total",
                steps(900, {0: 0, 60: 2}),
                channel="email",
                reason="auth",
            ),
        },
        {180: [], 195: [down(3)]},
    ),
    Case(
        "ChannelDown",
        "silent after two failures",
        attempts({0: 0, 60: 1, 120: 2}, {0: 0}),
        {600: []},
    ),
    Case(
        "ChannelDown",
        "silent where two failed, and one 11 minutes later",
        attempts({0: 0, 60: 2, 720: 3}, {0: 0}),
        {885: []},
    ),
    Case(
        "ChannelDown",
        "silent while other notices get through, and for 5 minutes after",
        attempts(THREE, {0: 0, 180: 1}),
        {180: [], 315: [], 465: [], 585: [], 600: [down(3)]},
    ),
    Case(
        "ChannelDown",
        "silent where the mail server refuses hosts' addresses",
        attempts({0: 0, 60: 30}, {0: 0}, "refused"),
        {600: []},
    ),
    Case(
        "ChannelDown",
        "one notice against a dead relay on a quiet system pages within 4 minutes",
        # Due at 60 s, tried again 5, 10, 20, 40 s later.
        attempts({0: 0, 60: 1, 65: 2, 75: 3, 95: 4, 135: 5}, {0: 0}),
        {180: [], 195: [down(5)], 300: [down(5)]},
    ),
)


def burnt(text: str) -> Fires:
    """Return what fires where this part of the notices was late."""
    return Fires(
        "live: many hosts are told late",
        f"{text} of the notices of the last hour, or six, took over 5 s or were given up; the"
        ' objective allows 1%. The panel "Where the time goes" tells the slow part.',
        PAGE,
    )


def notices(
    told: Mapping[int, float], in_time: Mapping[int, float], until: int, every: int, dead: int = 0
) -> dict[str, str]:
    """Return notices that were told in all, and in time; and how many were given up from 60 s."""
    return {
        **up(until, every),
        **both(f"{LATE}_count", steps(until, told, every), channel="email"),
        **both(f"{LATE}_bucket", steps(until, in_time, every), channel="email", le="5.0"),
        **both(f"{LATE}_bucket", steps(until, told, every), channel="email", le="+Inf"),
        **both(
            "streamend_notifications_total",
            steps(until, {0: 0, 60: dead}, every),
            channel="email",
            status="dead",
        ),
    }


FIVE_LATE = {0: 0, **{60 * n: n for n in range(1, 6)}}
LATENCY_BURN = (
    Case(
        "LatencyBurn",
        "fires a minute after the fifth late notice on a quiet system, and resolves",
        notices(FIVE_LATE, {0: 0}, 2400, 60),
        # The longer of the short windows, half an hour, is over then.
        {300: [], 360: [burnt("100%")], 2040: [burnt("100%")], 2100: []},
        60,
    ),
    Case(
        "LatencyBurn",
        "what was given up is late too",
        notices({0: 0}, {0: 0}, 600, 60, dead=5),
        {120: [burnt("100%")]},
        60,
    ),
    Case(
        "LatencyBurn",
        "silent where four were late, and nothing else ended",
        notices({0: 0, 60: 4}, {0: 0}, 1200, 60),
        {300: [], 1200: []},
        60,
    ),
)

CASES = (*HOSTS_NOT_TOLD, *CHANNEL_DOWN, *LATENCY_BURN)
