"""Unit tests of the alerts that page: when they fire, what beside it leaves them silent."""

from __future__ import annotations

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


def waiting(changes: dict[int, float], state: str = "pending") -> dict[str, str]:
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
    failures: dict[int, float], sent: dict[int, float], reason: str = "connect", until: int = 900
) -> dict[str, str]:
    """Return attempts that failed for a reason, and some that did not."""
    return {
        **up(until),
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
        {180: [down(3)]},
    ),
    Case(
        "ChannelDown",
        "silent after two failures",
        attempts({0: 0, 60: 1, 120: 2}, {0: 0}),
        {600: []},
    ),
    Case(
        "ChannelDown",
        "silent while other notices get through",
        attempts(THREE, {0: 0, 180: 1}),
        {180: [], 315: [], 465: []},
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
    told: dict[int, float], in_time: dict[int, float], until: int, every: int, dead: int = 0
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
        notices(FIVE_LATE, {0: 0}, 1200, 60),
        {300: [], 360: [burnt("100%")], 540: [burnt("100%")]},
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

STORE_DOWN = (
    Case(
        "StoreDown",
        "fires a minute after no process has reached Redis for one, and resolves",
        both("streamend_store_up", steps(900, {0: 1, 300: 0, 600: 1})),
        {
            405: [],
            420: [
                fires := Fires(
                    "live: no process reaches Redis",
                    "0 processes reached Redis within the last minute. Start it, and leave the web"
                    " processes running: they hold what is owed.",
                    PAGE,
                )
            ],
            585: [fires],
            600: [],
        },
    ),
    Case(
        "StoreDown",
        "silent while one process reaches it",
        {
            'streamend_store_up{job="live",instance="a:8000"}': steps(900, {0: 1}),
            'streamend_store_up{job="live",instance="b:8000"}': steps(900, {0: 0}),
        },
        {900: []},
    ),
    Case(
        "StoreDown",
        "silent where Redis is away for 45 seconds again and again",
        both("streamend_store_up", steps(900, {t: (t // 45) % 2 for t in range(0, 900, 45)})),
        {t: [] for t in range(300, 900, 60)},
    ),
)


def swept(until: int, stops: int, lags: int = 0) -> dict[str, str]:
    """Return sweeps that come with every scrape until they stop."""
    changes = {t: float(t - lags) for t in range(0, stops + 1, 15)}
    return both("streamend_last_sweep_timestamp_seconds", steps(until, changes))


def stuck(ago: str) -> Fires:
    """Return what fires where the last sweep was so long ago."""
    return Fires(
        "live: nobody looks after viewers of dead processes",
        f"The last sweep was {ago} ago. Viewers whose process died are still counted, so their"
        " events never end. Start a worker.",
        PAGE,
    )


def events(live: int, ending: int = 0, until: int = 900) -> dict[str, str]:
    """Return events by state."""
    return {
        **both("streamend_events", steps(until, {0: live}), state="live"),
        **both("streamend_events", steps(until, {0: ending}), state="ending"),
    }


PRESENCE_STUCK = (
    Case(
        "PresenceStuck",
        "fires where the last sweep was over 2 minutes ago for 2 minutes, and resolves",
        {
            **events(1),
            **both(
                "streamend_last_sweep_timestamp_seconds",
                steps(900, {**{t: float(t) for t in range(0, 301, 15)}, 720: 720}),
            ),
        },
        {540: [], 555: [stuck("4m 15s")], 705: [stuck("6m 45s")], 720: []},
    ),
    Case(
        "PresenceStuck",
        "one ending event is enough",
        {**events(0, 1), **swept(900, 300)},
        {540: [], 555: [stuck("4m 15s")]},
    ),
    Case(
        "PresenceStuck",
        "silent where nothing is on",
        {**events(0), **swept(900, 300)},
        {900: []},
    ),
    Case(
        "PresenceStuck",
        "silent where each sweep is 2 minutes old",
        {**events(3), **swept(900, 900, 120)},
        {900: []},
    ),
)


def unseen(job: str) -> Fires:
    """Return what fires where nothing is scraped from a job; none: from anything."""
    labels = {"severity": "critical", **({"job": job} if job else {})}
    return Fires(
        f"{job or 'Any application'}: no figures",
        f"Nothing is scraped from {job or 'any application'}: it is down, or Prometheus can't reach"
        " it. No other alert can fire until it is back.",
        labels,
        f"var-job={job}",
    )


NO_METRICS = (
    Case(
        "NoMetrics",
        "fires 5 minutes after the last target has gone, and resolves",
        both("streamend_store_up", "1x20 stale _x39 1x20"),
        {300: [], 600: [], 615: [unseen("live")], 900: [unseen("live")], 915: []},
    ),
    Case(
        "NoMetrics",
        "fires for the application that has gone, while another is there",
        {
            **both("streamend_store_up", "1x20 stale"),
            'streamend_store_up{job="other",instance="c:8000"}': "1x60",
        },
        {615: [unseen("live")]},
    ),
    Case(
        "NoMetrics",
        "fires where nothing was ever scraped",
        {"up": "0x60"},
        {285: [], 300: [unseen("")]},
    ),
    Case(
        "NoMetrics",
        "still fires, without a name, a day after",
        both("streamend_store_up", "1x2 stale"),
        {86_400: [unseen("live")], 90_000: [unseen("")]},
        600,
    ),
    Case(
        "NoMetrics",
        "silent where one of two targets has gone",
        {
            'streamend_store_up{job="live",instance="a:8000"}': "1x60",
            'streamend_store_up{job="live",instance="b:8000"}': "1x20 stale",
        },
        {900: []},
    ),
)

CASES = (
    *HOSTS_NOT_TOLD,
    *CHANNEL_DOWN,
    *LATENCY_BURN,
    *STORE_DOWN,
    *PRESENCE_STUCK,
    *NO_METRICS,
)
