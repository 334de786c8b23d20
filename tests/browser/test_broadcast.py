"""``python -m example_app --nginx``: a real streaming server, and Chromium plays what it has."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

from ..conftest import missing
from ..rtmp import CURE, lacking
from ..servers import Process, accepts, eventually, free_port
from .conftest import MakePerson
from .tabs import asked, reads
from .test_example import PHONE, fits, watching

#: Seconds of grace, within which the visit must see that the event is ending.
DELAY = 3
COMMAND = [sys.executable, "-m", "example_app", "--nginx", "--delay", str(DELAY), "--port"]

#: What the video shows now, small, as text; empty before there is a picture.
PICTURE = """() => {
  const video = document.getElementById("video");
  if (video.hidden || video.readyState < 2) return "";
  const canvas = document.createElement("canvas");
  canvas.width = 64;
  canvas.height = 36;
  canvas.getContext("2d").drawImage(video, 0, 0, 64, 36);
  return canvas.toDataURL();
}"""
#: How many colours its first row has: a test picture's bars, not a black screen.
COLOURS = """() => {
  const canvas = document.createElement("canvas");
  canvas.width = 64;
  canvas.height = 36;
  const pen = canvas.getContext("2d");
  pen.drawImage(document.getElementById("video"), 0, 0, 64, 36);
  const row = pen.getImageData(0, 2, 64, 1).data;
  return new Set(Array.from({ length: 64 }, (_, at) => row.slice(4 * at, 4 * at + 3).join())).size;
}"""


class Broadcast:
    """The example with its streaming server, as its one command starts it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.own = folder / "own"
        self.own.mkdir()
        self.opened = folder / "opened"
        browser = folder / "browser"
        browser.write_text(f'#!/bin/sh\necho "$1" >> {self.opened}\n')
        browser.chmod(0o755)
        env = {"TMPDIR": str(self.own), "FRONTEND_URL": self.url, "BROWSER": str(browser)}
        self.process = Process([*COMMAND, str(self.port)], folder / "example.log", env)
        self.process.wait_for("Now you: open")

    def json(self, path: str) -> Any:
        """Return a page of JSON."""
        with urllib.request.urlopen(self.url + path) as reply:
            return json.load(reply)

    def playlist(self) -> Path:
        """Return what says which pieces of the broadcast there are."""
        (found,) = self.own.glob("porchlight-*/nginx/hls/friday-jam.m3u8")
        return found

    def ports(self) -> list[int]:
        """Return where nginx listens."""
        (conf,) = self.own.glob("porchlight-*/nginx/nginx.conf")
        return [int(port) for port in re.findall(r"listen 127\.0\.0\.1:(\d+)", conf.read_text())]

    def play(self, log: Path) -> Process:
        """Play the broadcast over RTMP."""
        found = re.search(r"nginx-rtmp on (rtmp://\S+)", self.process.output())
        assert found is not None
        return Process(["ffmpeg", "-v", "error", "-i", found[1], "-f", "null", "-"], log)

    def publisher(self) -> int:
        """Return the ffmpeg's process id."""
        own = self.process.popen.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        (found,) = (pid for pid in children if "ffmpeg" in Path(f"/proc/{pid}/comm").read_text())
        return int(found)


@pytest.fixture(scope="module")
def broadcast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broadcast]:
    """Return the example with its streaming server, after its visit."""
    if (what := lacking()) is not None:
        missing(what, CURE)
    example = Broadcast(tmp_path_factory.mktemp("broadcast"))
    yield example
    example.process.stop()


def moves(tab: Page) -> None:
    """Wait until a page has shown two different frames of the broadcast."""
    tab.locator("#video").wait_for(state="visible")
    first = eventually(lambda: asked(tab, PICTURE), "there is a picture")
    eventually(lambda: asked(tab, PICTURE) not in ("", first), "the picture changes")
    assert asked(tab, COLOURS) >= 6
    assert not tab.locator("#pond").is_visible()


def test_chromium_plays_the_broadcast_and_its_leaving_ends_it(
    person: MakePerson, broadcast: Broadcast, tmp_path: Path
) -> None:
    """A picture that moves, a viewer beside others, and when all have left one mail more."""
    someone = person()
    tab = someone.open(f"{broadcast.url}/watch/friday-jam")
    moves(tab)
    watching(tab, 1)
    place = tab.evaluate("video.currentTime")
    eventually(lambda: tab.evaluate("video.currentTime") > place + 1, "it goes on playing")
    # Its fetches all this time are not taken for a second viewer.
    assert broadcast.json("/api/events/friday-jam")["clients"] == 1
    player = broadcast.play(tmp_path / "player.log")
    watching(tab, 2)
    player.stop()
    watching(tab, 1)
    before = broadcast.json("/api/mailbox")["count"]
    tab.close()
    eventually(
        lambda: broadcast.json("/api/mailbox")["count"] == before + 1, "the host has one mail more"
    )
    host = someone.open(f"{broadcast.url}/events/friday-jam")
    reads(host.locator("#say"), "Nobody is watching")


def test_the_command_opens_the_page(broadcast: Broadcast) -> None:
    """Once the visit is over: somebody who watches before would keep the event from ending."""
    eventually(broadcast.opened.exists, "a browser is started")
    page = f"{broadcast.url}/watch/friday-jam\n"
    eventually(lambda: broadcast.opened.read_text() == page, "it is given the page")


def test_a_browser_in_which_hls_js_can_t_run_plays_it_itself(
    person: MakePerson, broadcast: Broadcast
) -> None:
    """As iPhones do."""
    someone = person()
    someone.context.add_init_script("delete window.MediaSource; delete window.ManagedMediaSource;")
    tab = someone.open(f"{broadcast.url}/watch/friday-jam")
    moves(tab)
    assert tab.evaluate("video.currentSrc").endswith("/hls/friday-jam.m3u8?socket")


def test_the_broadcast_fits_a_phone_and_has_sound(person: MakePerson, broadcast: Broadcast) -> None:
    """Nothing has to be scrolled sideways there, and the one button turns its sound on."""
    tab = person(**PHONE).open(f"{broadcast.url}/watch/friday-jam")
    moves(tab)
    assert fits(tab)
    box = tab.locator("#video").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert tab.evaluate("video.muted")
    tab.locator("#sound").click()
    assert not tab.evaluate("video.muted")
    moves(tab)


def test_the_page_plays_its_own_stream_while_there_is_no_broadcast(
    person: MakePerson, broadcast: Broadcast
) -> None:
    """A broadcast that stops gives way to it, and one that comes back is shown again."""
    tab = person().open(f"{broadcast.url}/watch/friday-jam")
    moves(tab)
    os.kill(broadcast.publisher(), signal.SIGSTOP)
    os.utime(broadcast.playlist(), (0, 0))  # as if it had been for a while
    tab.locator("#pond").wait_for(state="visible")
    assert not tab.locator("#video").is_visible()
    os.kill(broadcast.publisher(), signal.SIGCONT)
    moves(tab)


def test_ctrl_c_leaves_nothing(broadcast: Broadcast) -> None:
    """No program that listens, and no file."""
    listening = [broadcast.port, *broadcast.ports()]
    assert len(listening) == 3
    broadcast.process.popen.send_signal(signal.SIGINT)
    assert broadcast.process.popen.wait(60) == 0
    assert "Stopping." in broadcast.process.output()
    assert not any(map(accepts, listening))
    assert not list(broadcast.own.iterdir())
