"""A channel that posts to a web server, and such a server in a thread of the test."""

from __future__ import annotations

import json
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from flask_streamend import Notice, PermanentError

from .servers import PATIENCE


class Hook:
    """Posts notices as JSON: how small a channel can be.

    :param name: its name.
    :param url: where to.
    """

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.url = url

    def send(self, notice: Notice) -> None:
        """Post one notice."""
        body = {
            "event": notice.event.id,
            "id": notice.message_id,
            "members": [member.event.id for member in notice.members],
        }
        request = urllib.request.Request(self.url, json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            if answer.status == 202:
                raise PermanentError("it does not want this one")


class Receiver:
    """A web server on a free loopback port.

    :ivar status: what it answers with; 0: it hangs up without an answer.
    :ivar tries: the bodies that it was sent.
    :ivar taken: those that it answered with 200.
    """

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.tries: list[dict[str, Any]] = []
        self.taken: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.tries.append(body)
                status = outer.status
                if not status:
                    self.close_connection = True
                    return
                if status == 200:
                    outer.taken.append(body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def about(self, event_id: str) -> list[dict[str, Any]]:
        """Return what was taken about an event."""
        return [one for one in self.taken if event_id in (one["event"], *one["members"])]

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)
