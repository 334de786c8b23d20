"""A real nginx-rtmp with real publishers and players, as docs/streaming-servers.md sets it up."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from signal import SIGKILL
from urllib.error import HTTPError

import pytest
from simple_websocket import ConnectionClosed

from .conftest import missing
from .ground import Ground
from .rtmp import CURE, TOKEN, Ffmpegs, Nginx, Wire, lacking, quit_
from .servers import PATIENCE, Site, eventually, free_port

#: Bytes of what is sent at once, at the most: what nginx gathers comes by the page.
PIECE = 1024
Streaming = tuple[Site, Nginx, Ffmpegs]


def streaming(
    ground: Ground, name: str, end_on: str, workers: int = 1, pushes: bool = False
) -> Streaming:
    """Start a site, and an nginx that calls it."""
    folder, stat = ground.folder / name, free_port()
    folder.mkdir()
    site = ground.site(
        app="streaming",
        STREAMEND_HOOK_TOKEN=TOKEN,
        STREAMEND_HOOK_CHECKS={"nginx-rtmp": f"http://127.0.0.1:{stat}/stat"},
        STREAMEND_END_ON=end_on,
    )
    nginx = Nginx(folder, site, stat, workers, pushes)
    return site, nginx, Ffmpegs(folder, nginx)


@pytest.fixture
def by_viewers(ground: Ground) -> Iterator[Streaming]:
    """Return what ends by its viewers."""
    yield from _started(ground, "viewers")


@pytest.fixture(scope="module")
def by_publisher(ground: Ground) -> Iterator[Streaming]:
    """Return what ends by its publisher."""
    yield from _started(ground, "publisher")


@pytest.fixture
def by_two_processes(ground: Ground) -> Iterator[Streaming]:
    """Return what ends by its publisher, with two workers which push each stream on."""
    yield from _started(ground, "publisher", "two", workers=2, pushes=True)


def _started(
    ground: Ground, end_on: str, name: str = "one", workers: int = 1, pushes: bool = False
) -> Iterator[Streaming]:
    if (what := lacking()) is not None:
        missing(what, CURE)
    started = streaming(ground, f"{end_on}-{name}", end_on, workers, pushes)
    worker = ground.worker(started[0])
    yield started
    started[2].stop()
    started[1].process.stop()
    ground.stop_process(worker)
    ground.stop_process(started[0].process)


def test_ten_players_leave_in_all_the_ways_they_do(by_viewers: Streaming, ground: Ground) -> None:
    """The count is right after each, nobody is told while one is there, and then one mail is."""
    site, nginx, ffmpegs = by_viewers
    publisher = ffmpegs.publish("tv")
    cable, wire = Wire(nginx.port), Wire(nginx.port)
    players = [ffmpegs.play("tv", port) for port in (0, 0, cable.port, wire.port, 0, 0)]
    session = ground.wait("tv", "live", 6).session
    line = Wire(nginx.stat)
    fetchers = [ffmpegs.fetch("tv", f"f{n}", port) for n, port in enumerate((0, 0, line.port, 0))]
    ground.wait("tv", "live", 10)

    # Of those over RTMP each is told of at once, or when nginx finds out.
    quit_(players[0])
    ground.wait("tv", "live", 9)
    players[1].signal(SIGKILL)
    ground.wait("tv", "live", 8)
    wire.cut()
    ground.wait("tv", "live", 7)
    cable.silence()
    ground.wait("tv", "live", 6)

    # Their old worker goes on with them, and the page of the new one does not show them; those
    # over HLS fetch from the new one.
    nginx.checked()
    nginx.reload()
    nginx.checked()
    assert ground.status("tv").clients == 6
    quit_(players[4])
    ground.wait("tv", "live", 5)

    # Those over HLS are gone when they have fetched nothing for a while, however they left.
    quit_(fetchers[0])
    fetchers[1].signal(SIGKILL)
    line.cut()
    ground.wait("tv", "live", 2)
    assert not ground.mails("tv")

    # Nobody reports the last one over RTMP, and a server that is away says nothing of it. There is
    # nothing to fetch for the other.
    failed = ground.counter("errors|hook")
    nginx.kill()
    for process in (publisher, fetchers[3]):
        process.popen.wait(PATIENCE)
    eventually(lambda: ground.counter("errors|hook") > failed, "a check that failed is counted")
    assert ground.wait("tv", "live", 1).session == session
    nginx.start()
    cable.close()
    mail = ground.told("tv")
    assert ground.status("tv").state == "idle"
    assert "All viewers have disconnected" in mail.text()
    assert site.metric("streamend_sessions_unaccounted") == 0


def test_an_emptied_redis_is_told_who_is_at_two_processes(
    by_two_processes: Streaming, ground: Ground
) -> None:
    """What nginx passes on is nobody, a page that lacks the other's players removes nobody."""
    site, nginx, ffmpegs = by_two_processes
    publisher = ffmpegs.publish("duo")
    ground.wait("duo", "live", 0)
    players = [ffmpegs.play("duo") for _ in range(6)]
    ground.wait("duo", "live", 6)
    nginx.checked(8)
    assert ground.status("duo").clients == 6
    ground.redis.flushall()
    # One process's page has the publisher.
    eventually(lambda: len(list(ground.store.guests(""))) == 7, "all are back, and it is")
    ground.wait("duo", "live", 6)
    for player in players[:3]:
        player.signal(SIGKILL)
    ground.wait("duo", "live", 3)
    quit_(publisher)
    assert "The stream was stopped." in ground.told("duo").text()
    assert site.metric("streamend_sessions_unaccounted") == 0


def test_an_encoder_that_comes_back_has_not_ended_its_stream(
    by_publisher: Streaming, ground: Ground
) -> None:
    """Within the grace period the same session goes on, with or without viewers."""
    site, _, ffmpegs = by_publisher
    event = "news~own-600"
    first = ffmpegs.publish(event)
    session = ground.wait(event, "live", 0).session
    player = ffmpegs.play(event)
    ground.wait(event, "live", 1)
    quit_(player)
    ground.wait(event, "live", 0)
    quit_(first)
    ground.wait(event, "ending")
    second = ffmpegs.publish(event)
    assert ground.wait(event, "live").session == session
    quit_(second)
    ground.wait(event, "ending")
    site.get(f"/over/purge/{event}")


def test_a_publisher_s_end_ends_the_event_with_its_viewers(
    by_publisher: Streaming, ground: Ground
) -> None:
    """However it stops: sockets are closed with 4000, and the one mail says what happened."""
    site, nginx, ffmpegs = by_publisher
    for event, number in (("radio", None), ("match", SIGKILL)):
        publisher = ffmpegs.publish(event)
        ground.wait(event, "live", 0)
        player, viewer = ffmpegs.play(event), site.watch(event)
        ground.wait(event, "live", 2)
        if number is None:
            quit_(publisher)
        else:
            publisher.signal(number)
        with pytest.raises(ConnectionClosed) as closed:
            viewer.receive(PATIENCE)
        assert closed.value.reason == 4000
        mail = ground.told(event)
        assert "The stream was stopped." in mail.text()
        player.signal(SIGKILL)
    publisher = ffmpegs.publish("rally")
    ground.wait("rally", "live", 0)
    nginx.checked()
    nginx.kill()
    nginx.start()
    assert "All viewers have disconnected" in ground.told("rally").text()


def test_viewers_without_a_publisher_are_no_stream_that_ended(
    by_publisher: Streaming, ground: Ground
) -> None:
    """Viewers who come while nobody publishes, and go, are counted, and nobody is told."""
    site, _, _ = by_publisher
    viewer = site.watch("early")
    ground.wait("early", "live", 1)
    viewer.close()
    ground.wait("early", "idle", 0)
    assert not ground.mails("early")
    assert ground.counter("sessions_purged") >= 1


def test_a_reader_of_server_sent_events_behind_nginx_is_a_viewer_while_it_reads(
    by_publisher: Streaming, ground: Ground
) -> None:
    """nginx lets what is sent pass, and the reader's leaving too."""
    _, nginx, _ = by_publisher
    with urllib.request.urlopen(f"http://127.0.0.1:{nginx.stat}/stream/feed") as feed:
        assert len(feed.read1(1 << 16)) < PIECE
        ground.wait("feed", "live", 1)
    ground.wait("feed", "idle", 0)


def test_a_playlist_counts_who_has_no_socket_open(by_publisher: Streaming, ground: Ground) -> None:
    """A page's player says that its page has one; for what is not there nobody is asked."""
    _, nginx, _ = by_publisher
    nginx.playlist("film").write_text("#EXTM3U\n")
    address = f"http://127.0.0.1:{nginx.stat}/hls"
    for query, clients in (("?socket", 0), ("", 1), ("", 1), ("?viewer=kitchen", 2)):
        with urllib.request.urlopen(f"{address}/film.m3u8{query}") as playlist:
            assert playlist.read() == b"#EXTM3U\n"
            assert playlist.headers["Cache-Control"] == "no-store"
        assert ground.status("film").clients == clients
    with pytest.raises(HTTPError) as refused, urllib.request.urlopen(f"{address}/lost.m3u8"):
        pass
    refused.value.close()
    assert refused.value.code == 404
    assert ground.status("lost").clients == 0
