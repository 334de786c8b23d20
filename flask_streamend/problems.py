"""The one vocabulary of problem codes: for refusals, the health page, logs and documentation.

Each code is a heading of docs/troubleshooting.md. Each sentence names the cure.
"""

from __future__ import annotations

CURES = {
    "redis-away": "Redis does not answer; start it, and leave the web processes running: they hold"
    " what is owed.",
    "no-worker": "No RQ worker reads the queue {queue!r}; start one: flask streamend worker, or"
    " rq worker --url URL {queue}.",
    "no-scheduler": "No web process and no flask streamend worker lives, and no worker runs RQ's"
    " scheduler: nothing rings for what is due. Start one of them, or rq worker --with-scheduler.",
    "no-web": "No web process has a lease here: start one, or give this shell the web's Redis and"
    " namespace. A process says what it is with its first request.",
    "eviction": "This Redis throws keys away when its memory is full: set maxmemory-policy"
    " noeviction, or ends and jobs are lost.",
    "persistence": "A Redis that crashes loses what it has not written to disk, and with it what is"
    " pending, save what web processes still know: set appendonly yes.",
    "redis-version": "This Redis is too old: it must be 6.2 or later, or Valkey.",
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
    "version-skew": "Processes run different versions; after an upgrade, start all of them again.",
    "mail-differs": "The worker, which sends the notices, has other MAIL_ settings than this shell:"
    " run the doctor in the worker's environment, or give both the same.",
    "shell-differs": "This shell is set up otherwise than the site's processes, so what it finds"
    " may not be true of them: give it their environment.",
    "application-fails": "The application can't be loaded, so that nothing could be looked at; the"
    " error is its own, or names the setting to change.",
    "no-loader": "No event loader is set, so that no host is told: @streamend.event_loader.",
    "route-taken": "Another rule answers a page of the extension's: set STREAMEND_HEALTH_PATH or"
    " STREAMEND_METRICS_PATH to another path.",
    "open-files": "A viewer takes an open file, and the process may open too few: raise ulimit -n,"
    " or LimitNOFILE.",
    "room": "Viewers need more room: raise --worker-connections, and --threads under gthread,"
    " or start more processes.",
    "ping-interval": "Proxies cut a connection that is silent for 60 s: set STREAMEND_PING_INTERVAL"
    " below 50.",
    "dead-letters": "Notices were given up: flask streamend deliveries --dead says why; then retry"
    " or dismiss them.",
    "proxy": "The proxy does not pass a WebSocket's upgrade on: it needs the lines of"
    " docs/deployment.md, Behind a proxy.",
    "frontend-away": "FRONTEND_URL can't be reached from here; a host's button leads there.",
    "frontend-elsewhere": "FRONTEND_URL leads to another site's pages. Where theirs open sockets at"
    " another address, look there: flask streamend doctor --url URL.",
    "frontend-differs": "The worker's FRONTEND_URL is not the web's, and the mail's button follows"
    " the worker's: give both the same.",
    "mail-away": "The mail server can't be spoken to: check MAIL_SERVER and MAIL_PORT, and that it"
    " may be reached from here.",
    "mail-tls": "The mail server's encryption failed: MAIL_USE_TLS is STARTTLS, MAIL_USE_SSL is TLS"
    " from the first byte, STREAMEND_MAIL_CA is an authority to trust.",
    "mail-login": "The mail server refused the login: check MAIL_USERNAME and MAIL_PASSWORD.",
    "frontend-url": "FRONTEND_URL is not set: the notice's button leads to http://localhost:8081.",
    "mail-sender": "MAIL_DEFAULT_SENDER is not set: no notice can be sent.",
    "status-page-shut": "STREAMEND_STATUS_PAGE is True and STREAMEND_API_TOKEN is not set: the page"
    " stays shut (404) until it is.",
    "mail-suppressed": "Flask-Mail sends nothing under TESTING or MAIL_SUPPRESS_SEND.",
}


def line(code: str, **values: object) -> str:
    """Return a problem as one line of a log: its code and its cure."""
    return f"{code}: {CURES[code].format(**values)}"
