"""A real nginx with its rtmp module, and real ffmpegs that publish and play."""

from __future__ import annotations

import getpass
import os
import select
import shutil
import socket
import struct
import threading
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGKILL

from .apps.pages import ROOT, marked
from .servers import PATIENCE, Process, Site, accepts, eventually, free_port

MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
CURE = "apt-get install --no-install-recommends nginx libnginx-mod-rtmp ffmpeg"
TOKEN = "hook-secret"
#: A picture that moves, and fills a connection's buffers in seconds.
PICTURE = [
    *("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10"),
    *("-c:v", "flv1", "-q:v", "2", "-g", "10"),
]


def lacking() -> str | None:
    """Return what the machine lacks for these tests; None: nothing."""
    programs = [name for name in ("nginx", "ffmpeg") if not shutil.which(name)]
    return programs[0] if programs else None if MODULE.is_file() else "libnginx-mod-rtmp"


class Nginx:
    """nginx with the lines of docs/streaming-servers.md, on ports of its own.

    :param site: the application it calls.
    :param workers: its worker processes; they pass streams to each other.
    :param pushes: it sends each stream on to another application of its own, which calls nobody.
    """

    def __init__(
        self, folder: Path, site: Site, stat: int, workers: int = 1, pushes: bool = False
    ) -> None:
        self.port, self.stat = free_port(), stat
        self._folder = folder
        self._config = folder / "nginx.conf"
        self._log = folder / "access.log"
        shown = marked(ROOT / "docs" / "streaming-servers.md", "file", "nginx.conf").body
        for there, here in {
            "1935": f"127.0.0.1:{self.port}",
            "8080": str(stat),
            "localhost:8000": f"127.0.0.1:{site.port}",
            "TOKEN": TOKEN,
            "    timeout 10s": "    timeout 2s",
            "on_publish_done": f"on_done http://127.0.0.1:{site.port}/streamend/hooks/nginx-rtmp"
            f"?token={TOKEN};\non_publish_done",
        }.items():
            assert there in shown, there
            shown = shown.replace(there, here)
        if pushes:
            copy = "application copy {\nlive on;\n}\napplication live {"
            push = f"\npush rtmp://127.0.0.1:{self.port}/copy;"
            shown = shown.replace("application live {", copy + push, 1)
        temporary = "\n".join(
            f"{kind}_temp_path {folder}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        shown = shown.replace("http {", f"http {{\naccess_log {self._log};\n{temporary}", 1)
        passing = ""
        if workers > 1:
            # Its workers make sockets in that folder, which is this user's.
            user = f"user {getpass.getuser()};\n" if os.geteuid() == 0 else ""
            passing = f"{user}rtmp_auto_push on;\nrtmp_socket_dir {folder};\n"
        self._config.write_text(
            f"load_module {MODULE};\n{passing}worker_processes {workers};\ndaemon off;\n"
            f"pid {folder}/pid;\nerror_log {folder}/error.log notice;\nevents {{}}\n{shown}"
        )
        self.process = self.start()

    def start(self) -> Process:
        """Start it; its connections are counted from the first again."""
        command = ["nginx", "-p", str(self._folder), "-c", str(self._config)]
        self.process = Process(command, self._folder / "nginx.log")
        eventually(lambda: accepts(self.port), f"nginx listens: {self.process.output()}")
        return self.process

    def reload(self) -> None:
        """Have it read its configuration anew: old workers go on with their players."""
        self.process.popen.send_signal(SIGHUP)
        error_log = self._folder / "error.log"
        eventually(
            lambda: "gracefully shutting down" in error_log.read_text(), "the old worker is told"
        )

    def kill(self) -> None:
        """End all of it at once, as a crash of its machine does."""
        self.process.signal(SIGKILL)
        self.process.popen.wait(PATIENCE)
        eventually(lambda: not accepts(self.port), "nginx is gone")

    def checked(self, times: int = 3) -> None:
        """Wait until it was asked who is there, some times from now on."""
        before = self._asked()
        eventually(lambda: self._asked() >= before + times, "it is asked who is there")

    def _asked(self) -> int:
        return self._log.read_text().count("GET /stat") if self._log.exists() else 0

    def address(self, stream: str, port: int = 0) -> str:
        """Return a stream's address."""
        return f"rtmp://127.0.0.1:{port or self.port}/live/{stream}"


class Ffmpegs:
    """Real publishers and players, all of them ended at the end."""

    def __init__(self, folder: Path, nginx: Nginx) -> None:
        self._folder = folder
        self._nginx = nginx
        self._started: list[Process] = []

    def _run(self, *args: str) -> Process:
        log = self._folder / f"ffmpeg-{len(self._started)}.log"
        process = Process(["ffmpeg", "-v", "error", "-nostdin", *args], log)
        self._started.append(process)
        return process

    def publish(self, stream: str) -> Process:
        """Publish a test picture."""
        return self._run("-re", *PICTURE, "-f", "flv", self._nginx.address(stream))

    def play(self, stream: str, port: int = 0) -> Process:
        """Play a stream.

        :param port: of what stands between; 0: nothing.
        """
        address = self._nginx.address(stream, port)
        return self._run("-analyzeduration", "0", "-i", address, "-c", "copy", "-f", "null", "-")

    def stop(self) -> None:
        """End them all."""
        for process in self._started:
            process.signal(SIGKILL)
            process.popen.wait(PATIENCE)


def quit_(process: Process) -> None:
    """Have an ffmpeg say goodbye and end."""
    process.signal(SIGINT)
    process.popen.wait(PATIENCE)


class Wire:
    """What stands between a player and nginx, and can be cut, or go silent."""

    def __init__(self, to: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._to = to
        self._ends: list[socket.socket] = []
        self._silent = False
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def _carry(self) -> None:
        near, _ = self._listener.accept()
        far = socket.socket()
        # What is on its way is little, so that a sender soon finds that nobody reads.
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        far.connect(("127.0.0.1", self._to))
        self._ends = [near, far]
        while not self._silent:
            try:
                for end in select.select(self._ends, [], [], 0.1)[0]:
                    other = far if end is near else near
                    if not (some := end.recv(1 << 16)):
                        return
                    other.sendall(some)
            except (OSError, ValueError):
                return

    def silence(self) -> None:
        """Carry nothing more, and tell nobody: a cable was pulled."""
        self._silent = True
        self._thread.join(PATIENCE)

    def cut(self) -> None:
        """Reset both ends."""
        self.silence()
        for end in self._ends:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Close what is open."""
        self.silence()
        for end in (*self._ends, self._listener):
            end.close()
