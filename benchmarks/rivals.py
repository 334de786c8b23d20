"""What an application would be without this package: the same job, as its libraries' pages show it.

Both count an event's viewers in Redis, by ``INCR`` and ``DECR``, since there are several processes;
who sees a 0 has RQ run a job after the grace period, which looks at the number again and mails.
They are let off what they lack: nothing heals a number whose process died, nothing else rings.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from functools import cache
from typing import Any

from flask import Flask, request
from flask_mail import Mail, Message
from redis import BlockingConnectionPool, Redis
from rq import Queue

from .sites import KEY

#: As this package's. The plain pool raises at its hundredth connection, and the leave is lost.
CONNECTIONS = 10


def _application() -> Flask:
    app = Flask(__name__)
    settings = json.loads(os.environ.get("BENCH_CONFIG", "{}"))
    app.config.update(SECRET_KEY=KEY, MAIL_DEFAULT_SENDER="live@example.org", **settings)
    return app


class Counter:
    """How many watch each event, over all processes."""

    def __init__(self, config: dict[str, Any]) -> None:
        pool = BlockingConnectionPool.from_url(
            config["STREAMEND_REDIS_URL"], max_connections=CONNECTIONS
        )
        self._redis = Redis(connection_pool=pool)
        self._own = config.get("STREAMEND_NAMESPACE", "rival")
        self._queue = Queue(config.get("STREAMEND_QUEUE", "default"), connection=self._redis)
        self._delay = timedelta(seconds=config["STREAMEND_DELAY"])

    def _key(self, event_id: str) -> str:
        return f"{self._own}:viewers:{event_id}"

    def came(self, event_id: str) -> None:
        """Count a viewer."""
        self._redis.incr(self._key(event_id))

    def left(self, event_id: str) -> None:
        """Count a viewer no more; after the last one look again when the grace period is over."""
        if self._redis.decr(self._key(event_id)) == 0:
            self._queue.enqueue_in(self._delay, tell, event_id)

    def empty(self, event_id: str) -> bool:
        """Return whether nobody watches, and forget the event then."""
        if int(self._redis.get(self._key(event_id)) or 0):
            return False
        self._redis.delete(self._key(event_id))
        return True


def counter() -> Flask:
    """Return flask-sock's endpoint with a counter: plain RQ ``enqueue_in``."""
    from flask_sock import Sock

    app = _application()
    sock, viewers = Sock(app), Counter(app.config)

    @sock.route("/ws/<path:event_id>")  # type: ignore[untyped-decorator]
    def watch(ws: Any, event_id: str) -> None:
        viewers.came(event_id)
        try:
            while True:
                ws.receive()
        finally:
            viewers.left(event_id)

    return app


def rooms() -> Flask:
    """Return Flask-SocketIO's: an event is a room, Redis the processes' message queue."""
    from flask_socketio import SocketIO, join_room

    app = _application()
    viewers = Counter(app.config)
    socketio = SocketIO(
        app, message_queue=app.config["STREAMEND_REDIS_URL"], async_mode=app.config["ASYNC_MODE"]
    )

    @socketio.on("connect")  # type: ignore[untyped-decorator]
    def came(auth: object = None) -> None:
        join_room(request.args["event"])
        viewers.came(request.args["event"])

    @socketio.on("disconnect")  # type: ignore[untyped-decorator]
    def left(reason: object = None) -> None:
        viewers.left(request.args["event"])

    return app


@cache
def mailing() -> tuple[Flask, Mail, Counter]:
    """Return what the job needs, made once in a process and those it forks."""
    app = _application()
    return app, Mail(app), Counter(app.config)


def tell(event_id: str) -> None:
    """Tell the host, if the event is still empty."""
    app, mail, viewers = mailing()
    if viewers.empty(event_id):
        with app.app_context():
            mail.send(
                Message(
                    f"Event Stream Ended - {event_id}",
                    recipients=["host@example.org"],
                    body=f'Your event "{event_id}" stream has ended.',
                )
            )
