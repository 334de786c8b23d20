"""The example site with all its parts, as its README line starts them."""

from __future__ import annotations

import re
import sys
import urllib.error
import urllib.request
from pathlib import Path

from ..servers import PATIENCE, Process, eventually, free_port

#: The grace period, in seconds.
DELAY = 1


class Example:
    """gunicorn with two workers, an RQ worker, the example's own mailbox.

    :param folder: where the database, the mails and the logs lie.
    :param redis_url: a Redis of this run.
    """

    def __init__(self, folder: Path, redis_url: str) -> None:
        self._folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._processes: dict[str, Process] = {}
        mails = folder / "mailbox"
        self._env = {
            "DATABASE": str(folder / "porchlight.sqlite3"),
            "MAILBOX_DIR": str(mails),
            "REDIS_URL": redis_url,
            "STREAMEND_DELAY": str(DELAY),
            "MAIL_SERVER": "127.0.0.1",
            "FRONTEND_URL": self.url,
            "FLASK_APP": "example_app",
        }
        mailbox = self._run("mailbox", "example_app.mailbox", "--port", "0", "--dir", str(mails))
        mailbox.wait_for("mailbox on")
        found = re.search(r"mailbox on 127\.0\.0\.1:(\d+)", mailbox.output())
        assert found is not None
        self._env["MAIL_PORT"] = found[1]
        self._serve()
        self._run("worker", "rq.cli", "worker", "--url", redis_url)
        eventually(lambda: self._health() == 200, f"the site is well: {self._health()}")

    def _run(self, name: str, *words: str) -> Process:
        command = [sys.executable, "-m", *words]
        process = Process(command, self._folder / f"{name}.log", self._env)
        self._processes[name] = process
        return process

    def _serve(self) -> None:
        self._run(
            "site",
            *("gunicorn", "-k", "gevent", "-w", "2", "-b", f"127.0.0.1:{self.port}"),
            # The stream of an open page never ends by itself; nobody waits 30 s for it here.
            *("--graceful-timeout", "1", "example_app:create_app()"),
        )
        eventually(self._health, "the site answers")

    def _health(self) -> int:
        """Return the status of /health; 0: nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    def stop_server(self) -> None:
        """End gunicorn by a SIGTERM to its master, and wait until it is gone."""
        gunicorn = self._processes.pop("site")
        gunicorn.popen.terminate()
        gunicorn.popen.wait(PATIENCE)

    def start_server(self) -> None:
        """Start gunicorn again on the same port."""
        self._serve()

    def stop(self) -> None:
        """End all parts, the last one first."""
        for process in reversed(self._processes.values()):
            process.stop()
