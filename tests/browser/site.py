"""The tests' site under the servers people run it with."""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

from ..servers import Process, accepts, eventually, free_port

TOKEN = "tests"
#: What serves the site, by its command line after ``python -m``.
COMMANDS = {
    "gunicorn": (
        *("gunicorn", "-k", "gevent", "-w", "2", "-b", "127.0.0.1:{port}"),
        "tests.browser.app:create_app()",
    ),
    "flask run": ("flask", "--app", "tests.browser.app", "run", "--port", "{port}"),
}


class Server:
    """The site under one of the servers.

    Its pings are far apart: a viewer who is noticed to have gone was not found out by one.

    :param kind: a key of ``COMMANDS``.
    :param settings: the application's, beside those that every test of this folder needs.
    """

    def __init__(self, kind: str, folder: Path, redis_url: str, **settings: Any) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = {
            "STREAMEND_REDIS_URL": redis_url,
            "STREAMEND_API_TOKEN": TOKEN,
            "STREAMEND_PING_INTERVAL": 600,
            **settings,
        }
        self.env = {"FLASK_APP": "tests.browser.app", "SITE_CONFIG": json.dumps(config)}
        words = [word.format(port=self.port) for word in COMMANDS[kind]]
        self.process = Process(
            [sys.executable, "-m", *words],
            folder / f"site-{self.port}.log",
            self.env,
        )
        eventually(lambda: accepts(self.port), lambda: f"{kind} listens: {self.process.output()}")

    def handshakes(self, event_id: str) -> int:
        """Return how many handshakes for an event came here, let in or not."""
        return self.process.output().count(f"handshake /ws/{event_id}\n")

    def status(self, event_id: str) -> Any:
        """Return how an event stands, as the API has it."""
        return json.loads(self._ask("GET", f"/streamend/events/{event_id}"))

    def wait(self, event_id: str, state: str, clients: int) -> Any:
        """Wait until an event is in a state with this many viewers, and return its status."""

        def there() -> Any:
            status = self.status(event_id)
            return status if (status["state"], status["clients"]) == (state, clients) else None

        return eventually(there, f"{event_id} is {state} with {clients} viewers")

    def end(self, event_id: str) -> None:
        """Have the site call ``end_event``, as where its host pressed stop."""
        self._ask("POST", f"/end/{event_id}")

    def _ask(self, method: str, path: str) -> bytes:
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Authorization", f"Bearer {TOKEN}")
        with urllib.request.urlopen(request, timeout=10) as reply:
            body: bytes = reply.read()
            return body
