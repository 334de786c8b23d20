"""``flask streamend status --watch``: on a terminal, elsewhere, and while Redis is away."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from flask_streamend.store.base import Outcome
from flask_streamend.store.redis import RedisStore

from .apps.store import LEASE, Web, end, pooled, take
from .conftest import missing
from .servers import PATIENCE, Process, RedisServer, eventually, redis_program
from .terminal import Terminal

MINUTE = 60_000
Watch = Callable[..., Terminal]


def environment(redis_url: str) -> dict[str, str]:
    """Return the environment of a command for the tests' site."""
    config = json.dumps({"STREAMEND_REDIS_URL": redis_url, "FRONTEND_URL": "https://example.org"})
    return {"FLASK_APP": "tests.apps.site", "SITE_CONFIG": config}


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Return a function that starts the command in a terminal."""
    opened: list[Terminal] = []

    def start(redis_url: str, *args: str, lines: int = 24, columns: int = 120) -> Terminal:
        command = ("flask", "streamend", "status", "--watch", *args)
        opened.append(Terminal(command, environment(redis_url), lines, columns))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


@pytest.fixture
def store(redis_url: str) -> Iterator[RedisStore]:
    """Return the store that the command looks into."""
    client = pooled(redis_url)
    yield RedisStore(client, "streamend")
    client.close()


def test_it_shows_figures_events_and_notices(
    watch: Watch, store: RedisStore, redis_url: str
) -> None:
    """Totals, problems with cures, ending events before live ones, dead letters before others."""
    end(store, "lost")
    delivery = take(store, "me").id
    assert store.sending(delivery, "me", LEASE)
    error = "550 no\x1b[2Jbody"
    assert store.settle(delivery, "me", "email", Outcome.DEAD, error, 0) >= 0
    Web(store, "a").send({"small": 1, "big": 1200})
    for event, minutes in {"late": 90, "soon": 10}.items():
        Web(store, f"of-{event}", minutes * MINUTE).visit(event)
    terminal = watch(redis_url, columns=160)
    assert "1,201 viewers, 2 live, 2 ending, 0 to be told, 1 dead letter" in terminal.shows(
        "viewers,"
    )
    assert "flask streamend worker" in " ".join(terminal.picture())
    rows = [line.split()[0] for line in terminal.picture() if re.search(r" (ending|live) ", line)]
    assert rows == ["soon", "late", "big", "small"]
    assert f"flask streamend retry {delivery}, or dismiss" in terminal.shows("^lost +dead")
    assert "550 no?[2Jbody" in terminal.shows("^lost"), "nobody's text commands the terminal"


def test_it_counts_down_and_notices_what_happens(
    watch: Watch, store: RedisStore, redis_url: str
) -> None:
    """The time left of an end falls; who comes is there at the next look."""
    Web(store, "of-soon", 10 * MINUTE).visit("soon")
    terminal = watch(redis_url, "0.5")

    def left() -> int:
        minutes, seconds = terminal.shows("^soon +ending").split()[-1].split(":")
        return int(minutes) * 60 + int(seconds)

    before = left()
    assert before <= 600
    eventually(lambda: left() < before, "it counts down")
    Web(store, "a").send({"jam": 3})
    assert terminal.shows("^jam +live").split() == ["jam", "live", "3", "3"]


def has_lines(terminal: Terminal, lines: int) -> bool:
    """Return whether a picture has this many lines."""
    return len(terminal.picture()) == lines


def widest(terminal: Terminal) -> int:
    """Return how wide the widest line of a picture is."""
    return max(map(len, terminal.picture()))


def test_it_keeps_to_the_terminal(watch: Watch, store: RedisStore, redis_url: str) -> None:
    """However much there is, a picture has no more lines and columns than the terminal has."""
    Web(store, "a").send({f"event{number:03}-{'x' * 60}": 200 - number for number in range(150)})
    terminal = watch(redis_url, "0.5", lines=20, columns=60)
    terminal.shows("^event000")
    assert "more" in terminal.shows("… and")
    assert "no event has ended yet" in " ".join(terminal.picture())
    assert (len(terminal.picture()), widest(terminal)) == (20, 60)
    for lines, columns in ((9, 40), (40, 200)):
        terminal.resize(lines, columns)
        eventually(partial(has_lines, terminal, lines), f"{lines} lines")
        assert widest(terminal) <= columns


def test_ctrl_c_leaves_cleanly(watch: Watch, redis_url: str) -> None:
    """Ctrl-C ends it with 0 and without a word, and the terminal is as it was."""
    terminal = watch(redis_url)
    terminal.shows("nobody is watching")
    terminal.press("\x03")
    assert terminal.ended() == 0
    printed = terminal.output()
    assert not re.search("Traceback|Aborted", printed)
    for entered, left in (("\x1b[?1049h", "\x1b[?1049l"), ("\x1b[?25l", "\x1b[?25h")):
        assert printed.index(entered) < printed.index(left)
    assert printed.endswith("\x1b[?7h\x1b[?25h\x1b[?1049l")


def test_while_redis_is_away_it_says_so_and_goes_on(watch: Watch, tmp_path: Path) -> None:
    """It names the cure, since when, and what was true then; when Redis is back it shows that."""
    program = redis_program()
    if program is None:
        missing("redis-server", "apt-get install redis-server")
        return
    server = RedisServer(tmp_path, program)
    server.start()
    client = pooled(server.url)
    Web(RedisStore(client, "streamend"), "a").send({"jam": 3})
    terminal = watch(server.url, "0.5")
    terminal.shows("^jam +live")
    server.hang()
    terminal.shows("^redis-away: Redis does not answer")
    terminal.shows(r"^Last heard \d+ s ago: what stands here was true then")
    terminal.shows("^jam +live")
    assert terminal.popen.poll() is None
    server.resume()
    eventually(lambda: not re.search("redis-away", " ".join(terminal.picture())), "it is back")
    terminal.shows("^jam +live")
    terminal.press("\x03")
    assert terminal.ended() == 0
    client.close()
    server.stop()


def test_it_waits_for_a_redis_that_was_never_there(watch: Watch) -> None:
    """With nothing known yet it says that, and keeps trying."""
    terminal = watch("redis://127.0.0.1:1", "0.2")
    terminal.shows("^Not heard yet: nothing is known")
    terminal.press("\x03")
    assert terminal.ended() == 0


def test_elsewhere_it_prints_one_picture_after_the_other(
    store: RedisStore, redis_url: str, tmp_path: Path
) -> None:
    """Where the output is no terminal it is plain text, again and again, until it is ended."""
    Web(store, "a").send({"jam": 3})
    command = [sys.executable, "-m", "flask", "streamend", "status", "--watch", "0.1"]
    process = Process(command, tmp_path / "watch.log", environment(redis_url))
    eventually(lambda: process.output().count("3 viewers, 1 live") >= 3, "three pictures")
    assert "\x1b" not in process.output()
    process.signal(signal.SIGINT)
    assert process.popen.wait(PATIENCE) == 0
    assert "Aborted" not in process.output()


@pytest.mark.parametrize(
    "words", [("jam", "--watch"), ("--watch", "1", "--json"), ("--watch", "0")]
)
def test_what_makes_no_sense_is_a_usage_error(words: tuple[str, ...], redis_url: str) -> None:
    """One event, JSON, or no time at all between two looks: exit status 2, and why."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "streamend", "status", *words],
        env={**os.environ, **environment(redis_url)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 2
    assert "--watch" in done.stderr
