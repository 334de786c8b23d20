"""Run nginx-rtmp with the example's nginx.conf, and publish a test picture to it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path

from example_app.ports import HERE, free_port
from example_app.waiting import Failed

CONF = Path(__file__).with_name("nginx.conf")
EVENT = "friday-jam"  # what is published; a stream's name is its event's id
LONGEST = 4 * 3600  # s of test picture: what is left of a killed example is gone by then
INSTALL = "apt-get install nginx libnginx-mod-rtmp ffmpeg"

# A picture that moves and a tone, with a key frame each second: HLS is cut there.
SIZE, RATE = "640x360", 25
PICTURE = (
    *("-re", "-f", "lavfi", "-i", f"testsrc=size={SIZE}:rate={RATE},hue=s=0.6"),
    *("-f", "lavfi", "-i", "sine=frequency=220:beep_factor=2", "-t", str(LONGEST)),
    *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"),
    *("-pix_fmt", "yuv420p", "-g", str(RATE), "-c:a", "aac", "-ac", "2"),
)


class Broadcast:
    """Say how nginx and ffmpeg are run, and what the site must know of them."""

    def __init__(self, folder: Path, site: int) -> None:
        """Find the programs, and write nginx's configuration.

        :param folder: the example's own.
        :param site: the port of the site that nginx tells who plays.
        :raises Failed: with what to install, where a program is missing.
        """
        nginx, ffmpeg = find("nginx"), find("ffmpeg")
        module = find_module(nginx)
        self.port, stat = free_port(), free_port()
        own = folder / "nginx"
        hls = own / "hls"
        hls.mkdir(parents=True)
        token = secrets.token_hex(16)
        values = {
            "/usr/lib/nginx/modules/ngx_rtmp_module.so": str(module),
            "/tmp/porchlight/hls": str(hls),  # noqa: S108 - what stands there
            "127.0.0.1:1935": f"{HERE}:{self.port}",
            "127.0.0.1:8080": f"{HERE}:{stat}",
            "127.0.0.1:8081": f"{HERE}:{site}",
            "TOKEN": token,
        }
        conf = own / "nginx.conf"
        conf.write_text(fill(CONF.read_text(encoding="utf-8"), values), encoding="utf-8")
        self.nginx = [nginx, "-e", "stderr", "-p", str(own), "-c", str(conf)]
        if os.geteuid() == 0:  # else it would write as somebody who may not enter root's folder
            self.nginx += ["-g", "user root;"]
        #: Where the test picture is published, and may be played.
        self.address = f"rtmp://{HERE}:{self.port}/live/{EVENT}"
        self.publisher = [ffmpeg, "-v", "error", "-nostdin", *PICTURE, "-f", "flv", self.address]
        #: Settings for the site: config.py reads them.
        self.env = {
            "HLS_DIR": str(hls),
            "STREAMEND_HOOK_TOKEN": token,
            "RTMP_STAT": f"http://{HERE}:{stat}/stat",
        }


def fill(text: str, values: dict[str, str]) -> str:
    """Put other values into a configuration, all at once: what was put in stays as it is."""
    return re.sub("|".join(map(re.escape, values)), lambda found: values[found[0]], text)


def find(program: str) -> str:
    """Return where a program is.

    :raises Failed: with what to install, where it is missing.
    """
    # Debian has nginx where only root looks.
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Failed(f"There is no {program} on PATH: {INSTALL}.")
    return found


def find_module(nginx: str) -> Path:
    """Return the rtmp module of an nginx.

    :raises Failed: with what to install, where it is missing.
    """
    built = subprocess.run([nginx, "-V"], capture_output=True, text=True, check=False).stderr
    found = re.search(r"--modules-path=(\S+)", built)
    module = Path(found[1] if found else "/usr/lib/nginx/modules") / "ngx_rtmp_module.so"
    if not module.is_file():
        raise Failed(f"nginx has no rtmp module ({module}): {INSTALL}.")
    return module
