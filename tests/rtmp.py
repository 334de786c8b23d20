"""A real nginx with its rtmp module, and real ffmpegs that publish and play."""

from __future__ import annotations

import os
import select
import shutil
import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGKILL

from .apps.pages import ROOT, marked
from .servers import PATIENCE, Process, Site, accepts, eventually, free_port

MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
#: Debian has it where only root looks.
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CURE = "apt-get install --no-install-recommends nginx libnginx-mod-rtmp ffmpeg"
TOKEN = "hook-secret"
#: A picture that moves, and by its noise fills a connection's buffers in seconds. HLS is cut where
#: its key frames are, every second.
PICTURE = [
    *("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10,noise=alls=40:allf=t"),
    *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-qp", "18"),
    *("-pix_fmt", "yuv420p", "-g", "10"),
]


def lacking() -> str | None:
    """Return what the machine lacks for these tests; None: nothing."""
    for program, there in (("nginx", NGINX), ("ffmpeg", shutil.which("ffmpeg"))):
        if there is None:
            return program
    return None if MODULE.is_file() else "libnginx-mod-rtmp"


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
            "127.0.0.1:8080": f"127.0.0.1:{stat}",
            "/var/lib/streams": str(folder),
            "hls_fragment 2s": "hls_fragment 1s",
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
        # Root's nginx would write as somebody who may not enter the folder.
        user = "user root;\n" if os.geteuid() == 0 else ""
        passing = f"rtmp_auto_push on;\nrtmp_socket_dir {folder};\n" * (workers > 1)
        self._config.write_text(
            f"{user}load_module {MODULE};\n{passing}worker_processes {workers};\ndaemon off;\n"
            f"pid {folder}/pid;\n"
            f"error_log {folder}/error.log notice;\nevents {{}}\n{shown}"
        )
        self.process = self.start()

    def start(self) -> Process:
        """Start it; its connections are counted from the first again."""
        assert NGINX is not None
        command = [NGINX, "-p", str(self._folder), "-c", str(self._config)]
        self.process = Process(command, self._folder / "nginx.log")
        eventually(lambda: accepts(self.port), lambda: f"nginx listens: {self.process.output()}")
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

    def playlist(self, stream: str) -> Path:
        """Return where it keeps what players over HLS are to play next."""
        return self._folder / "hls" / f"{stream}.m3u8"


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

    def fetch(self, stream: str, viewer: str, port: int = 0) -> Process:
        """Play a stream over HLS, once there is something of it.

        :param port: of what stands between; 0: nothing.
        """
        eventually(self._nginx.playlist(stream).is_file, "there is a playlist")
        address = f"http://127.0.0.1:{port or self._nginx.stat}/hls/{stream}.m3u8?viewer={viewer}"
        return self._run("-i", address, "-c", "copy", "-f", "null", "-")

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
        self._peers: dict[socket.socket, socket.socket] = {}
        self._silent = False
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def _carry(self) -> None:
        while not self._silent:
            for end in select.select([self._listener, *self._peers], [], [], 0.1)[0]:
                if end is self._listener:
                    self._connect(self._listener.accept()[0])
                elif end in self._peers:
                    self._pass(end, self._peers[end])

    def _connect(self, near: socket.socket) -> None:
        far = socket.socket()
        # What is on its way is little, so that a sender soon finds that nobody reads.
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        try:
            far.connect(("127.0.0.1", self._to))
        except OSError:
            near.close()
            far.close()
        else:
            self._peers |= {near: far, far: near}

    def _pass(self, end: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            if some := end.recv(1 << 16):
                other.sendall(some)
                return
        for gone in (end, other):
            del self._peers[gone]
            gone.close()

    def silence(self) -> None:
        """Carry nothing more, and tell nobody: a cable was pulled."""
        self._silent = True
        self._thread.join(PATIENCE)

    def cut(self) -> None:
        """Reset both ends, and let nobody connect again."""
        self.silence()
        for end in self._peers:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Close what is open."""
        self.silence()
        for end in (*self._peers, self._listener):
            end.close()
