"""The one vocabulary of problem codes: for refusals, the health page, logs and documentation.

Each code is a heading of docs/troubleshooting.md. Each sentence names the cure.
"""

from __future__ import annotations

CURES = {
    "redis-away": "Redis does not answer; start it, and leave the web processes running: they hold"
    " what is owed.",
    "no-worker": "No RQ worker reads the queue {queue!r}; start one: flask streamend worker, or"
    " rq worker --url URL {queue}.",
    "held": "An operator holds all notices (flask streamend hold SECONDS); to let go:"
    " flask streamend hold 0.",
    "catching-up": "Redis was away or emptied: ends wait until every web process has reported, one"
    " lease at the most.",
    "overdue": "Notices are over 5 s late: see flask streamend deliveries for errors; if there are"
    " none, start more workers.",
    "memory-multiprocess": "memory:// counts in one process and the server runs several; set"
    " STREAMEND_REDIS_URL, or run one process.",
    "sync-worker": "gunicorn's sync worker can't hold a socket; start it with -k gevent, or with"
    " -k gthread --threads N.",
    "server-unsupported": "This server can't hold a WebSocket for flask-sock; supported are"
    " gunicorn with gevent or gthread workers, and the development server.",
    "worker-app": "The worker could not load the application. Start it where the application can"
    " be imported, with FLASK_APP naming it; an rq worker reads neither .env nor .flaskenv.",
    "worker-elsewhere": "The worker's application can't reach the Redis that RQ's --url names; give"
    " both the same: rq worker --url URL and STREAMEND_REDIS_URL.",
    "worker-keys": "The worker's keys are not the web's: give both the same SECRET_KEY or"
    " STREAMEND_ENCRYPTION_KEYS, and start both again.",
    "frontend-url": "FRONTEND_URL is not set: the notice's button leads to http://localhost:8081.",
    "mail-sender": "MAIL_DEFAULT_SENDER is not set: no notice can be sent.",
    "mail-suppressed": "Flask-Mail sends nothing under TESTING or MAIL_SUPPRESS_SEND.",
}


def line(code: str, **values: object) -> str:
    """Return a problem as one line of a log: its code and its cure."""
    return f"{code}: {CURES[code].format(**values)}"
