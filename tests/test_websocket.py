"""The viewer's socket under gunicorn, with viewers who keep no rule."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis

from .conftest import StartSite
from .servers import Site, eventually
from .viewers import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    WORKERS,
    RawViewer,
    Worker,
    both_workers,
    close_code,
    count,
    frame,
    wait_for,
)


@pytest.fixture(autouse=True)
def viewers() -> Iterator[None]:
    """Leave no viewer to the next test."""
    yield
    RawViewer.close_all()


@pytest.fixture(scope="module", params=WORKERS)
def _plain_site(
    request: pytest.FixtureRequest, _redis_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Return a site with default settings, save that viewers may send as fast as they can."""
    settings = {
        "STREAMEND_REDIS_URL": f"redis://127.0.0.1:{_redis_port}/0",
        "STREAMEND_DELAY": 0,
        "STREAMEND_MAX_MESSAGES_PER_SECOND": None,
    }
    site = Site(tmp_path_factory.mktemp("site"), settings, request.param)
    yield site
    site.process.stop()


@pytest.fixture
def plain_site(_plain_site: Site) -> Site:
    """Return a site with default settings and no viewers; these tests share it."""
    wait_for(_plain_site, 0)
    return _plain_site


def worker_of(site: Site) -> Path:
    """Return the folder in /proc of gunicorn's only worker process."""
    master = site.process.popen.pid
    (child,) = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    return Path("/proc") / child


@both_workers
def test_a_silent_viewer_is_gone_within_two_intervals(
    start_site: StartSite, worker: Worker
) -> None:
    """Who leaves one ping unanswered is closed with 1008 instead of the second, and uncounted."""
    site = start_site(*worker, STREAMEND_PING_INTERVAL=0.5)
    viewer = RawViewer(site.port, "jam")
    wait_for(site, 1)
    ping, close = viewer.rest()
    assert ping[0] == PING
    assert (close[0], close_code(close[1])) == (CLOSE, 1008)
    wait_for(site, 0)
    viewer.close()


@both_workers
def test_an_answering_viewer_stays(start_site: StartSite, worker: Worker) -> None:
    """Who answers each ping is counted through many intervals."""
    site = start_site(*worker, STREAMEND_PING_INTERVAL=0.5)
    viewer = RawViewer(site.port, "jam")
    for _ in range(5):
        read = viewer.read()
        assert read is not None
        assert read[0] == PING
        viewer.send(PONG, read[1])
        assert count(site) == 1
    viewer.leave()
    wait_for(site, 0)


def test_a_viewer_s_own_ping_is_answered(plain_site: Site) -> None:
    """A ping from a viewer gets its pong, with the same payload."""
    site = plain_site
    viewer = RawViewer(site.port, "jam")
    viewer.send(PING, b"are you there?")
    assert viewer.read() == (PONG, b"are you there?")
    viewer.leave()


@pytest.mark.parametrize("size", [4097, 70_000, 2_000_000])
def test_a_message_too_big_closes_with_1009(plain_site: Site, size: int) -> None:
    """A message over the limit ends the socket with 1009, and the viewer is uncounted."""
    site = plain_site
    viewer = RawViewer(site.port, "jam")
    viewer.send(TEXT, b"x" * 4096)
    viewer.send(PING, b"still there")
    assert viewer.read() == (PONG, b"still there")

    def pour() -> None:
        try:
            viewer.send(BINARY, b"x" * size)
        except OSError:
            return  # the server need not read what it will not take

    pouring = threading.Thread(target=pour)
    pouring.start()
    frames = viewer.rest()
    pouring.join()
    assert [(opcode, close_code(payload)) for opcode, payload in frames] == [(CLOSE, 1009)]
    wait_for(site, 0)


def test_a_message_too_big_in_fragments_closes_too(plain_site: Site) -> None:
    """Fragments count together: a message is bounded, not its parts."""
    site = plain_site
    viewer = RawViewer(site.port, "jam")
    viewer.send(TEXT, b"x" * 3996, fin=False)
    viewer.send(CONTINUATION, b"x" * 100, fin=False)
    viewer.send(PING, b"still there")
    assert viewer.read() == (PONG, b"still there")
    viewer.send(CONTINUATION, b"x", fin=False)
    ((opcode, payload),) = viewer.rest()
    assert (opcode, close_code(payload)) == (CLOSE, 1009)
    wait_for(site, 0)


def test_the_limit_is_in_bytes(plain_site: Site) -> None:
    """A text's size is that of its bytes, not of its characters."""
    site = plain_site
    viewer = RawViewer(site.port, "jam")
    wait_for(site, 1)
    viewer.send(TEXT, ("☕" * 1400).encode())
    viewer.send(PING, b"still there")
    read = viewer.read()
    assert read is not None
    assert (read[0], close_code(read[1])) == (CLOSE, 1009)


def test_small_messages_are_dropped(plain_site: Site) -> None:
    """What viewers send is read and kept nowhere: 40 MB of it leave the process as it was."""
    site = plain_site
    viewer = RawViewer(site.port, "jam")

    def pour(messages: int) -> int:
        for _ in range(messages // 100):
            viewer.sock.sendall(frame(TEXT, b"x" * 4000) * 100)
        viewer.send(PING, b"all read")
        assert viewer.read() == (PONG, b"all read")
        pages = int((worker_of(site) / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    before = pour(1000)
    assert pour(10_000) - before < 10_000_000
    assert count(site) == 1
    viewer.leave()


def test_a_flood_of_messages_holds_up_nobody(plain_site: Site) -> None:
    """While one viewer sends as fast as it can, the others' requests are answered."""
    viewer, done = RawViewer(plain_site.port, "jam"), threading.Event()
    flowing = threading.Event()

    def pour() -> None:
        chunk = frame(TEXT, b"x" * 100) * 5000
        with suppress(OSError):
            for _ in range(20):
                viewer.sock.sendall(chunk)
            flowing.set()
            while not done.is_set():
                viewer.sock.sendall(chunk)

    pouring = threading.Thread(target=pour)
    pouring.start()
    try:
        eventually(flowing.is_set, "the flood has begun")
        assert plain_site.get("/ws/not%20an%20id")[0] == 400
    finally:
        done.set()
        pouring.join()


def test_an_abrupt_end_is_a_leave(plain_site: Site) -> None:
    """A reset, or a connection closed in the middle of a frame, is a leave like any other."""
    site = plain_site
    reset, torn, stays = (RawViewer(site.port, "jam") for _ in range(3))
    wait_for(site, 3)
    reset.reset()
    wait_for(site, 2)
    torn.sock.sendall(frame(TEXT, b"x" * 100)[:50])
    torn.close()
    wait_for(site, 1)
    assert "Traceback" not in site.process.output()
    stays.leave()


def test_a_broken_frame_is_a_leave(plain_site: Site) -> None:
    """A frame against the protocol closes the socket with 1002, and the viewer is uncounted."""
    site = plain_site
    viewer = RawViewer(site.port, "jam")
    wait_for(site, 1)
    viewer.sock.sendall(bytes([0x8F, 0x80, 0, 0, 0, 0]))
    frames = viewer.rest()
    assert [close_code(payload) for opcode, payload in frames if opcode == CLOSE] in ([1002], [])
    wait_for(site, 0)


@both_workers
def test_a_viewer_who_reads_nothing_is_gone(start_site: StartSite, worker: Worker) -> None:
    """Who sends pings and never reads the pongs, until nothing moves any more, is let go."""
    bounds = {"STREAMEND_PING_INTERVAL": 0.5, "STREAMEND_MAX_MESSAGES_PER_SECOND": None}
    site = start_site(*worker, **bounds)
    viewer = RawViewer(site.port, "jam")
    wait_for(site, 1)
    viewer.sock.settimeout(5)
    # Until nothing moves any more, or the server has hung up already.
    with suppress(TimeoutError, ConnectionError):
        while True:
            viewer.sock.sendall(frame(PING, b"x" * 125) * 1000)
    wait_for(site, 0)
    viewer.close()


def sockets_to(port: int) -> set[str]:
    """Return the connections to a loopback port, as a process's files name them."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {f"socket:[{row[9]}]" for row in rows if int(row[2].split(":")[1], 16) == port}


@pytest.mark.parametrize(
    "worker", [("-k", "gevent"), ("-k", "gthread", "--threads", "80")], ids=["gevent", "gthread"]
)
def test_nothing_is_left_behind(start_site: StartSite, worker: Worker, redis: Redis) -> None:
    """After 50 viewers left in every way, the process has the threads and files it had before."""
    site = start_site(*worker)

    def crowd() -> None:
        viewers = [RawViewer(site.port, f"jam{number % 7}") for number in range(50)]
        wait_for(site, 50)
        for number, viewer in enumerate(viewers):
            (viewer.leave, viewer.close, viewer.reset)[number % 3]()
        wait_for(site, 0)

    def threads() -> int:
        return len(list((worker_of(site) / "task").iterdir()))

    def files() -> int:
        # Connections to Redis are a pool's, which grows to its bound as it needs.
        own = {os.readlink(fd) for fd in (worker_of(site) / "fd").iterdir() if fd.is_symlink()}
        return len(own - sockets_to(redis.connection_pool.connection_kwargs["port"]))

    before_files = files()
    crowd()
    eventually(lambda: files() <= before_files, "the files are closed")
    before_threads = threads()
    crowd()
    eventually(lambda: files() <= before_files, "the files are closed again")
    eventually(lambda: threads() <= before_threads, "the threads are gone")


def test_a_socket_is_no_request_in_the_exporter_s_figures(plain_site: Site) -> None:
    """An open socket and a refused one leave the page's request figures as they were."""
    site = plain_site

    def requests() -> list[str]:
        page = site.get("/metrics")[1]
        return re.findall(r"^flask_http_request_\w+\{.*\} .*$", page, re.MULTILINE)

    before = requests()
    assert before
    viewer = RawViewer(site.port, "jam")
    wait_for(site, 1)
    viewer.leave()
    wait_for(site, 0)
    assert site.get("/ws/unknown-1")[0] == 404
    assert requests() == before
