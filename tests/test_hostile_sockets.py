"""Sockets and handshakes made to do harm: floods, bombs, broken frames, halves, any bytes."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .ground import Ground
from .servers import PATIENCE, Process, Site
from .viewers import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    WORKERS,
    RawViewer,
    close_code,
    count,
    frame,
    wait_for,
)

#: Messages a second from a viewer, and so many in the ten seconds they are counted over.
RATE = 5
ALLOWED = 10 * RATE
KEY = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
FUZZ = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module", params=WORKERS.values(), ids=list(WORKERS))
def crowded(request: pytest.FixtureRequest, ground: Ground) -> Iterator[Site]:
    """Return a site with a bound on messages that tests reach."""
    site = ground.site(*request.param, STREAMEND_MAX_MESSAGES_PER_SECOND=RATE)
    yield site
    assert "Traceback" not in site.process.output()
    ground.stop_process(site.process)


@pytest.fixture
def site(crowded: Site) -> Iterator[Site]:
    """Return that site with nobody there, and see that its process outlives the test."""
    wait_for(crowded, 0)
    before = children(crowded.process)
    yield crowded
    RawViewer.close_all()
    wait_for(crowded, 0)
    assert children(crowded.process) == before


def children(process: Process) -> list[str]:
    """Return gunicorn's workers."""
    master = process.popen.pid
    return Path(f"/proc/{master}/task/{master}/children").read_text().split()


def refused(site: Site) -> float:
    """Return how many were over a limit."""
    return site.metric('streamend_refusals_total{reason="limit"}') or 0.0


def closed_with(viewer: RawViewer) -> list[int]:
    """Return the codes of the close frames that come before the server hangs up."""
    return [close_code(payload) for opcode, payload in viewer.rest() if opcode == CLOSE]


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param([frame(TEXT, b"")], id="texts"),
        pytest.param([frame(BINARY, b"x" * 20)], id="bytes"),
        pytest.param([frame(PONG, b"")], id="pongs"),
        pytest.param(
            [frame(TEXT, b"x", fin=False), *[frame(CONTINUATION, b"", fin=False)] * 3 * ALLOWED],
            id="parts",
        ),
    ],
)
def test_a_flood_is_closed_with_1008(site: Site, flood: list[bytes]) -> None:
    """As many messages as allowed are read and dropped; more end the socket, and it is counted."""
    before = refused(site)
    viewer, other = RawViewer(site.port, "jam"), RawViewer(site.port, "jam")
    messages = (flood * 3 * ALLOWED)[: 3 * ALLOWED]
    viewer.sock.sendall(b"".join(messages[:ALLOWED]))
    wait_for(site, 2)
    with suppress(OSError):
        # Not one: a slow machine may have begun to count anew.
        viewer.sock.sendall(b"".join(messages[ALLOWED:]))
    assert closed_with(viewer) == [1008]
    wait_for(site, 1)
    assert refused(site) == before + 1
    site.process.wait_for("flood: a viewer was refused")
    other.send(PING, b"still there")
    assert other.read() == (PONG, b"still there")


def test_a_compressed_bomb_is_a_message_too_big(site: Site) -> None:
    """A message is measured as it unfolds: a few bytes that become megabytes end the socket."""
    viewer = RawViewer(site.port, "jam", "Sec-WebSocket-Extensions: permessage-deflate\r\n")
    packer = zlib.compressobj(9, wbits=-15)
    bomb = packer.compress(bytes(64 << 20)) + packer.flush(zlib.Z_SYNC_FLUSH)
    whole = bytearray(frame(BINARY, bomb[:-4]))
    whole[0] |= 0x40  # compressed
    with suppress(OSError):
        viewer.sock.sendall(whole)
    assert closed_with(viewer) == [1009]


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        pytest.param(frame(TEXT, b"\xff\xfe"), [1007], id="no UTF-8"),
        pytest.param(frame(TEXT, "é".encode()[:1]), [1007], id="half a character"),
        pytest.param(bytes([0x81, 0x01]) + b"x", [1002], id="not masked"),
        pytest.param(frame(CONTINUATION, b"x"), [1002], id="a part of nothing"),
        pytest.param(frame(TEXT, b"x", fin=False) + frame(TEXT, b"x"), [1002], id="two at once"),
        pytest.param(frame(PING, b"x" * 126), [1002], id="a ping too long"),
        pytest.param(frame(PING, b"x", fin=False), [1002], id="half a ping"),
        pytest.param(frame(3, b"x"), [1002], id="no such frame"),
        pytest.param(bytes([0x82, 0xFF]) + b"\xff" * 8, [1002], id="2**64 bytes"),
        pytest.param(frame(CLOSE, b"x"), [1002], id="half a close code"),
        pytest.param(frame(CLOSE, b"\x03\xe8\xff"), [1007], id="a reason that is no text"),
    ],
)
def test_a_frame_against_the_rules_ends_the_socket(
    site: Site, data: bytes, codes: list[int]
) -> None:
    """What RFC 6455 forbids is answered with its code, and the viewer is uncounted."""
    viewer = RawViewer(site.port, "jam")
    wait_for(site, 1)
    viewer.sock.sendall(data)
    assert closed_with(viewer) == codes
    wait_for(site, 0)


def test_a_character_in_two_frames_is_a_character(site: Site) -> None:
    """A message's parts may be cut anywhere."""
    viewer = RawViewer(site.port, "jam")
    first, second = (bytes([byte]) for byte in "é".encode())
    viewer.send(TEXT, first, fin=False)
    viewer.send(CONTINUATION, second)
    viewer.send(PING, b"still there")
    assert viewer.read() == (PONG, b"still there")


def test_half_a_handshake_is_nobody(site: Site) -> None:
    """Who never ends its request is not counted, and where there is room keeps nobody out."""
    half = b"GET /ws/jam HTTP/1.1\r\nHost: slow.example.org\r\nUpgrade: websocket\r\n"
    slow = [socket.create_connection(("127.0.0.1", site.port), PATIENCE) for _ in range(20)]
    try:
        for line in slow:
            line.sendall(half)
        viewer = RawViewer(site.port, "jam")
        wait_for(site, 1)
        viewer.send(PING, b"still there")
        assert viewer.read() == (PONG, b"still there")
        assert count(site) == 1
    finally:
        for line in slow:
            line.close()


@pytest.mark.parametrize(
    "more",
    [
        pytest.param("", id="no key"),
        pytest.param(
            f"{KEY}Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=x\r\n",
            id="an extension's number that is none",
        ),
        pytest.param(f"{KEY}Sec-WebSocket-Protocol: \xe9\r\n", id="a protocol that is not ASCII"),
        pytest.param(f"{KEY}Sec-WebSocket-Version: 8\r\n", id="another version"),
    ],
)
def test_a_handshake_that_is_none_is_400(site: Site, more: str) -> None:
    """Headers that are not RFC 6455's are answered with a code, and nobody is counted."""
    with socket.create_connection(("127.0.0.1", site.port), PATIENCE) as line:
        version = "" if "Version" in more else "Sec-WebSocket-Version: 13\r\n"
        line.sendall(
            "GET /ws/jam HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\n"
            f"Upgrade: websocket\r\n{version}{more}\r\n".encode("latin-1")
        )
        line.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: line.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"bad-handshake"' in answer


frames = st.builds(
    frame,
    st.sampled_from([CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG, 3, 11]),
    st.binary(max_size=200) | st.text().map(str.encode) | st.just(b"x" * 5000),
    st.booleans(),
)
head = st.tuples(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=20)).map(
    lambda parts: bytes(parts[:2]) + parts[2]
)


@FUZZ
@given(data=st.lists(frames | head | st.binary(max_size=100), min_size=1, max_size=8))
def test_any_bytes_on_a_socket_end_it_at_the_most(crowded: Site, data: list[bytes]) -> None:
    """Whatever a viewer sends, its socket is answered by the rules or closed, and no more."""
    viewer = RawViewer(crowded.port, "jam")
    with suppress(OSError):
        for piece in data:
            viewer.sock.sendall(piece)
        viewer.sock.shutdown(socket.SHUT_WR)
    for opcode, payload in viewer.rest():
        assert opcode in (PONG, PING, CLOSE)
        if opcode == CLOSE:
            # 1000 to 1003 and so on are the viewer's own, sent back to it.
            assert not payload or 1000 <= close_code(payload) < 5000
    viewer.close()


token = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)
line = st.tuples(
    st.sampled_from(
        [
            *("Host", "Upgrade", "Connection", "Origin", "Cookie", "Authorization", "X-Other"),
            *("Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Extensions"),
            *("Sec-WebSocket-Protocol", "Content-Length", "Transfer-Encoding", "Accept"),
        ]
    ).map(str.encode),
    token.map(str.encode)
    | st.sampled_from(
        [
            b"permessage-deflate; client_max_window_bits=x",
            b"permessage-deflate; server_max_window_bits=99",
        ]
    )
    | st.sampled_from([b"websocket", b"Upgrade", b"13", b"AAAAAAAAAAAAAAAAAAAAAA==", b"0", b"null"])
    | st.binary(max_size=20).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"")),
).map(b": ".join)


@FUZZ
@given(
    path=token,
    lines=st.lists(line, max_size=10),
    upgrade=st.booleans(),
)
def test_any_handshake_is_answered(
    crowded: Site, path: str, lines: list[bytes], upgrade: bool
) -> None:
    """Whatever the head of a request holds, the answer is a refusal or a socket, never a 500."""
    if upgrade:
        lines = [
            *lines,
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Version: 13",
        ]
    with socket.create_connection(("127.0.0.1", crowded.port), PATIENCE) as line:
        with suppress(OSError):
            request = [f"GET /ws/{path} HTTP/1.1".encode(), *lines, b"", b""]
            line.sendall(b"\r\n".join(request))
            line.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            answer = line.recv(4096)
            # gunicorn itself hangs up on what is no HTTP, or answers 400 or 501.
            assert answer == b"" or answer.split()[1] != b"500", answer
