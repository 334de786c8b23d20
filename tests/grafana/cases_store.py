"""Unit tests of the alerts that page: store, presence, or all figures are away."""

from __future__ import annotations

from .cases_symptoms import PAGE
from .promtool import Case, Fires, both, steps

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

CASES = (*STORE_DOWN, *PRESENCE_STUCK, *NO_METRICS)
