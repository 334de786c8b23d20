"""Viewers of the example who have no socket: players over HLS, and readers of its stream."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from example_app import create_app, hls
from flask_streamend.testing import Stage, live

PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.000,\nfriday-jam-7.ts\n"
#: Seconds after which nobody writes a playlist any more.
STALE = 60


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    """Return the site beside an nginx-rtmp that records "Friday jam"."""
    (tmp_path / "hls").mkdir()
    (tmp_path / "hls" / "friday-jam.m3u8").write_text(PLAYLIST)
    (tmp_path / "hls" / "friday-jam-7.ts").write_bytes(b"G" * 188)
    return create_app(
        DATABASE=str(tmp_path / "site.sqlite3"),
        MAILBOX_DIR=str(tmp_path / "mailbox"),
        HLS_DIR=str(tmp_path / "hls"),
        STREAMEND_REDIS_URL="memory://",
        STREAMEND_DELAY=30,
    )


@pytest.fixture
def stage(app: Flask) -> Iterator[Stage]:
    """Return the site's stage, with a clock of its own."""
    with live(app) as stage:
        yield stage


def clients(app: Flask) -> int:
    """Return how many watch "Friday jam"."""
    return int(app.test_client().get("/api/events/friday-jam").get_json()["clients"])


def test_a_player_watches_while_it_asks_for_the_playlist(app: Flask, stage: Stage) -> None:
    """Each is counted once however often it asks, is gone when it stops; then a mail goes."""
    for _ in range(3):
        for viewer in ("kitchen", "attic"):
            reply = app.test_client().get(f"/hls/friday-jam.m3u8?viewer={viewer}")
            assert reply.text == PLAYLIST
            assert reply.headers["Cache-Control"] == "no-store"
        assert clients(app) == 2
        stage.advance(hls.TTL - 1)
    app.test_client().get("/hls/friday-jam.m3u8?viewer=attic")
    stage.advance(2)
    assert clients(app) == 1
    stage.advance(hls.TTL)
    assert clients(app) == 0
    assert stage.mails == []
    stage.advance(30)
    assert [mail.subject for mail in stage.mails] == ["Event Stream Ended - Friday jam"]


def test_a_player_without_a_name_is_known_by_where_and_what_it_is(app: Flask, stage: Stage) -> None:
    """Two programs on one machine are two; one that asks again is still one."""
    for program in ("VLC/3.0", "mpv 0.38", "VLC/3.0"):
        app.test_client().get("/hls/friday-jam.m3u8", headers={"User-Agent": program})
    assert clients(app) == 2


def test_the_watch_page_s_player_is_counted_by_its_socket_alone(app: Flask, stage: Stage) -> None:
    """The page says ``?socket`` where it fetches, so that its reader is not two viewers."""
    with stage.socket("friday-jam"):
        assert app.test_client().get("/hls/friday-jam.m3u8?socket").status_code == 200
        reply = app.test_client().get("/stream/friday-jam?socket", buffered=False)
        next(reply.iter_encoded())
        assert clients(app) == 1
        reply.close()


def test_a_reader_of_the_stream_watches_while_it_lasts(app: Flask, stage: Stage) -> None:
    """Who has no page, as curl has none, is a viewer until the response ends."""
    reply = app.test_client().get("/stream/friday-jam", buffered=False)
    next(reply.iter_encoded())
    assert clients(app) == 1
    reply.close()
    assert clients(app) == 0


def test_a_broadcast_that_is_over_has_no_viewers(app: Flask, stage: Stage) -> None:
    """A playlist that is not written any more is still handed out, and nobody watches by it."""
    address = "/api/events/friday-jam"
    assert app.test_client().get(address).get_json()["hls"] == "/hls/friday-jam.m3u8"
    written = time.time() - STALE
    os.utime(Path(app.config["HLS_DIR"]) / "friday-jam.m3u8", (written, written))
    assert app.test_client().get(address).get_json()["hls"] is None
    assert app.test_client().get("/hls/friday-jam.m3u8").status_code == 200
    assert clients(app) == 0


@pytest.mark.parametrize(
    "path",
    [
        "/hls/night-bus.m3u8",
        "/hls/nobody.m3u8",
        "/hls/friday-jam-8.ts",
        "/hls/..%2fsite.ts",
    ],
)
def test_what_is_not_recorded_is_not_there(app: Flask, stage: Stage, path: str) -> None:
    """Nothing but what nginx wrote is handed out, and of events that are known."""
    own = Path(app.config["HLS_DIR"])
    (own / "nobody.m3u8").write_text(PLAYLIST)
    (own.parent / "site.ts").write_text("not nginx's")
    assert app.test_client().get(path).status_code == 404


def test_without_a_streaming_server_there_is_no_hls(app: Flask, stage: Stage) -> None:
    """The page then plays its own stream."""
    app.config["HLS_DIR"] = None
    assert app.test_client().get("/api/events/friday-jam").get_json()["hls"] is None
    assert 'data-hls=""' in app.test_client().get("/watch/friday-jam").text
    assert app.test_client().get("/hls/friday-jam.m3u8").status_code == 404


def test_pieces_are_handed_out_as_what_they_are(app: Flask, stage: Stage) -> None:
    """Under ``nosniff`` a player takes nothing else."""
    reply = app.test_client().get("/hls/friday-jam-7.ts")
    assert reply.headers["Content-Type"] == "video/mp2t"
    playlist = app.test_client().get("/hls/friday-jam.m3u8?socket")
    assert "mpegurl" in playlist.headers["Content-Type"]
