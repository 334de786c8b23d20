"""Who is measured beside whom, and by which servers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SERVERS = {
    "gevent": ("-k", "gevent", "--worker-connections", "4000"),
    "gthread": ("-k", "gthread", "--threads", "600"),
}
#: Flask-SocketIO's word for what a server of ours runs on.
_MODES = {"gevent": "gevent", "gthread": "threading"}


@dataclass(frozen=True)
class Contestant:
    """A site.

    :param factory: what makes it: a module of ours and its function.
    :param protocol: what its viewers speak.
    :param event: the event that viewer number n watches.
    :param more: settings of its own.
    """

    factory: str
    protocol: str = "plain"
    event: str = "one"
    more: dict[str, Any] = field(default_factory=dict)

    def config(self, server: str, redis_url: str, own: str, delay: float) -> dict[str, Any]:
        """Return the site's settings.

        :param own: its namespace and queue: it does not look after what others left in Redis.
        :param delay: its grace period in seconds.
        """
        return {
            "STREAMEND_REDIS_URL": redis_url,
            "STREAMEND_NAMESPACE": own,
            "STREAMEND_QUEUE": own,
            "STREAMEND_DELAY": delay,
            "FRONTEND_URL": "https://live.example.org",
            "ASYNC_MODE": _MODES[server],
            **self.more,
        }


SITES = {
    "bare flask-sock": Contestant("sites:floor"),
    "bare flask-sock, ping": Contestant(
        "sites:floor", more={"SOCK_SERVER_OPTIONS": {"ping_interval": 25}}
    ),
    "flask_streamend, one event": Contestant("sites:extension"),
    "flask_streamend, many events": Contestant("sites:extension", event="event-{n}"),
    "RQ and a counter": Contestant("rivals:counter"),
    "Flask-SocketIO and RQ": Contestant("rivals:rooms", protocol="socketio"),
}
