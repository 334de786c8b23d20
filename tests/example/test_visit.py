"""``python -m example_app``: everything started, a visit played, everything stopped."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

from ..servers import Process, accepts, eventually, free_port

#: Seconds of grace, within which the visit must see that the event is ending.
DELAY = 3
COMMAND = [sys.executable, "-m", "example_app", "--delay", str(DELAY), "--port"]


def test_once_plays_the_visit_and_exits_0() -> None:
    """The mail arrives, not before it was due, and nothing is left listening."""
    port = free_port()
    done = subprocess.run(
        [*COMMAND, str(port), "--once"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert f"site on http://localhost:{port}" in lines[0]
    assert re.search(r'three viewers open "Friday jam" +viewers 3$', lines[1])
    assert "nothing is sent: a reload is not an end" in lines[2]
    ending = re.search(r"all leave +ending, due in (\d+\.\d) s$", lines[3])
    assert ending is not None
    assert 0 <= float(ending[1]) <= DELAY
    assert re.search(r'mail to h\*\*\*@example\.org +"Event Stream Ended - Friday jam"', lines[4])
    assert re.search(r"   \d+ ms after it was due$", lines[4])
    redis = re.search(r"redis on 127\.0\.0\.1:(\d+)", lines[0])
    assert redis is not None
    assert not accepts(port)
    assert not accepts(int(redis[1]))


def test_a_taken_port_is_a_plain_reason() -> None:
    """Somebody else listens on the port: the cure is named, and nothing is started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*COMMAND, str(port)], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert f"--port {port + 1}" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_stops_everything(tmp_path: Path) -> None:
    """After the visit it serves until Ctrl-C, which ends it with 0 and leaves nobody running."""
    port = free_port()
    example = Process([*COMMAND, str(port)], tmp_path / "example.log")
    try:
        example.wait_for("Now you: open")
        assert accepts(port)
        example.popen.send_signal(signal.SIGINT)
        assert example.popen.wait(30) == 0
        eventually(lambda: not accepts(port), "nobody listens")
        assert "Stopping." in example.output()
    finally:
        example.stop()


def test_a_streaming_server_that_is_missing_is_named(tmp_path: Path) -> None:
    """``--nginx`` says what to install, and starts nothing."""
    empty, own = tmp_path / "empty", tmp_path / "own"
    empty.mkdir()
    own.mkdir()
    done = subprocess.run(
        [*COMMAND, str(free_port()), "--nginx"],
        env={**os.environ, "PATH": str(empty), "TMPDIR": str(own)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    # Where nginx is, only root's path leads: it is looked for there too.
    cure = "on PATH: apt-get install nginx libnginx-mod-rtmp ffmpeg."
    assert re.search(rf"There is no (nginx|ffmpeg) {cure}", done.stderr)
    assert "Traceback" not in done.stderr
    assert not list(own.iterdir())
