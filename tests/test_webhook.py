"""The webhook: what is posted, whom it is posted to, and what becomes of each answer."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from flask_streamend import ConfigurationError, Event, Notice, PermanentError, WebhookChannel
from flask_streamend.notices.arguments import LONGEST
from flask_streamend.notices.endpoint import HANGING
from flask_streamend.notices.failures import Deferred, reason_of

from .certificates import certificate
from .receivers import Speak, hostile, receiver, wait
from .servers import PATIENCE, free_port


def secret(letter: str) -> str:
    """Return a secret."""
    return f"whsec_{b64encode(letter.encode() * 32).decode()}"


#: Seconds between a hostile server's drops.
DROP = 0.02
OLD, NEW = secret("o"), secret("n")
NOTICE = Notice(
    event=Event("jam", "The secret jam", "h1", "host@example.org"),
    session="5e55",
    due_at=1_700_000_000.25,
    url="https://live.example.org/events/jam",
    message_id="<streamend.1@example.org>",
)
DATA = {
    "event_id": "jam",
    "session": "5e55",
    "due_at": 1_700_000_000.25,
    "stopped": False,
    "url": "https://live.example.org/events/jam",
    "host_id": "h1",
}


def channel(url: str, **how: Any) -> WebhookChannel:
    """Return a channel to a server on loopback."""
    return WebhookChannel(url, OLD, **{"allow_private": True, **how})


def failure(url: str, **how: Any) -> Exception:
    """Send, and return what it raises."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is what the test is about
        channel(url, **how).send(NOTICE)
    return caught.value


# What is posted.


def test_it_is_signed_and_says_what_ended() -> None:
    """The receiver's own library verifies it, and finds the end's plain values and no name."""
    with receiver() as server:
        channel(server.url).send(NOTICE)
    (request,) = server.requests
    assert Webhook(OLD).verify(request.body, request.headers) == {
        "type": "event.ended",
        "timestamp": "2023-11-14T22:13:20.250Z",
        "data": DATA,
    }
    assert request.path == "/hooks"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("flask-streamend/")
    assert b"secret jam" not in request.body
    assert b"host@" not in request.body


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_the_time_it_is_signed_with_is_everybody_s(
    monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    """Wherever the sender is, the receiver finds the time right."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        with receiver() as server:
            channel(server.url).send(NOTICE)
        (request,) = server.requests
        assert Webhook(OLD).verify(request.body, request.headers)["data"] == DATA
    finally:
        monkeypatch.undo()
        time.tzset()


def test_every_attempt_has_the_same_id_and_body() -> None:
    """A repeat is recognisable: same id, same body; another end has another id."""
    with receiver(500) as server:
        hook = channel(server.url)
        with pytest.raises(Deferred):
            hook.send(NOTICE)
        hook.send(NOTICE)
        hook.send(replace(NOTICE, message_id="<streamend.2@example.org>"))
    first, second, other = server.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-id"] != other.headers["webhook-id"]
    # The format signs id, time and body joined by full stops.
    assert "." not in first.headers["webhook-id"]
    assert first.body == second.body


def test_a_secret_can_be_changed_without_a_gap() -> None:
    """With two secrets either end's verifies it; a third does not."""
    with receiver() as server:
        WebhookChannel(server.url, [NEW, OLD], allow_private=True).send(NOTICE)
    (request,) = server.requests
    for known in (OLD, NEW):
        assert Webhook(known).verify(request.body, request.headers)["data"] == DATA
    with pytest.raises(WebhookVerificationError):
        Webhook(secret("x")).verify(request.body, request.headers)


def test_a_digest_lists_its_ends() -> None:
    """A digest is one message with every member's values; of one end alone it is that end's."""
    other = replace(NOTICE, event=Event("gig", "Gig", "h1", None), stopped=True)
    with receiver() as server:
        channel(server.url).send(replace(NOTICE, members=(NOTICE, other)))
        channel(server.url).send(replace(NOTICE, members=(NOTICE,)))
    several, one = (json.loads(request.body) for request in server.requests)
    assert several["type"] == "event.digest"
    members = [DATA, {**DATA, "event_id": "gig", "stopped": True}]
    assert several["data"] == {"members": members}
    assert (one["type"], one["data"]) == ("event.ended", DATA)


def test_a_name_and_a_password_in_the_url_are_sent_as_basic() -> None:
    """They stand in the header, not in the path, and a failure does not show them."""
    with receiver(503) as server:
        url = server.url.replace("//", "//us%3Aer:p%40ss@") + "?key=hidden"
        error = failure(url)
    (request,) = server.requests
    assert b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"us:er:p@ss"
    assert request.headers["host"] == f"127.0.0.1:{server.port}"
    assert request.path == "/hooks?key=hidden"
    for hidden in ("ss@", "us%3Aer", "hidden", "hooks", OLD[6:]):
        assert hidden not in str(error)
    assert str(error) == f"http://127.0.0.1:{server.port} answered 503 Service Unavailable"


# What becomes of an answer.


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_an_answer_of_2xx_is_its_acceptance(status: int) -> None:
    """Whichever of them: it is sent."""
    with receiver(status) as server:
        channel(server.url).send(NOTICE)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [410, 413, 415, 422])
def test_an_answer_may_be_final(status: int) -> None:
    """After these the same message would fare no better."""
    with receiver(status) as server:
        error = failure(server.url)
    assert isinstance(error, PermanentError)
    assert reason_of(error) == "refused"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        *((400, "refused"), (401, "auth"), (403, "auth"), (404, "refused"), (408, "refused")),
        *((429, "refused"), (500, "refused"), (503, "refused"), (599, "refused"), (304, "refused")),
    ],
)
def test_any_other_answer_is_tried_again(status: int, reason: str) -> None:
    """A deployment, a changed secret, too many at once: all this passes."""
    with receiver(status) as server:
        error = failure(server.url)
    assert not isinstance(error, PermanentError)
    assert reason_of(error) == reason


def test_a_redirect_is_not_followed() -> None:
    """Nothing goes where the first one points, whoever that is."""
    with receiver() as other, receiver(307, headers={"Location": other.url}) as server:
        error = failure(server.url)
    assert reason_of(error) == "refused"
    assert len(server.requests) == 1
    assert other.requests == []


# Hostile servers.


def read(sock: socket.socket) -> None:
    """Read a request."""
    data = b""
    while b"\r\n\r\n" not in data or not data.endswith(b"}"):
        more = sock.recv(65536)
        if not more:
            raise EOFError
        data += more


def hang(sock: socket.socket, stopped: threading.Event) -> None:
    """Take the request, and say nothing."""
    read(sock)
    stopped.wait(PATIENCE)


def trickle(beginning: bytes, drop: bytes) -> Speak:
    """Return what begins an answer and goes on with it, drop by drop."""

    def speak(sock: socket.socket, stopped: threading.Event) -> None:
        read(sock)
        sock.sendall(beginning)
        for _ in range(int(PATIENCE / DROP)):
            if stopped.wait(DROP):
                return
            sock.sendall(drop)
        # Nobody may have had that much patience.
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    return speak


@pytest.mark.parametrize(
    "speak",
    [
        hang,
        trickle(b"", b"H"),
        trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        wait,
    ],
    ids=["silence", "status line", "continue", "unread"],
)
def test_no_answer_in_time_is_a_time_out(speak: Speak) -> None:
    """A server may say nothing, or always a bit more, each in time: the whole is bounded."""
    with hostile(speak) as server:
        error = failure(server.url, timeout=0.5)
    assert isinstance(error, TimeoutError)
    assert reason_of(error) == "timeout"


@pytest.mark.parametrize(
    ("beginning", "drop"),
    [
        (b"Content-Length: 9999999999\r\n\r\n", b"x" * 100_000),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"x"),
        (b"Content-Encoding: gzip\r\n\r\n", b"\0" * 1000),
    ],
    ids=["huge", "endless", "broken"],
)
def test_the_status_alone_counts(beginning: bytes, drop: bytes) -> None:
    """What else is answered, however much and whatever, is not waited for."""
    with hostile(trickle(b"HTTP/1.1 200 OK\r\n" + beginning, drop)) as server:
        channel(server.url).send(NOTICE)
        # The server notices that nobody listens, and not that the test is over.
        assert server.over.wait(PATIENCE)


def test_an_answer_that_breaks_off_takes_no_status_back() -> None:
    """What was accepted is not sent again because its headers never came to an end."""

    def speak(sock: socket.socket, stopped: threading.Event) -> None:
        read(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nX-Long: x")

    with hostile(speak) as server:
        channel(server.url).send(NOTICE)


def reset(sock: socket.socket, stopped: threading.Event) -> None:
    """Take the request, and hang up as hard as can be."""
    read(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def talk(sock: socket.socket, stopped: threading.Event) -> None:
    """Take the request, and say what is no HTTP."""
    read(sock)
    sock.sendall(b"220 private words\r\n")


def many(sock: socket.socket, stopped: threading.Event) -> None:
    """Take the request, and answer with more headers than anybody needs."""
    read(sock)
    sock.sendall(b"HTTP/1.1 200 OK\r\n" + b"A: private words\r\n" * 10_000)


def test_nothing_of_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """At the finest level nothing is, not even of an answer that urllib3 can't read."""

    def speak(sock: socket.socket, stopped: threading.Event) -> None:
        read(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nFine: x\r\nprivate words\r\nAgain: y\r\n\r\n")

    caplog.set_level(1)
    with hostile(speak) as server:
        channel(f"{server.url}?key=hidden").send(NOTICE)
    assert caplog.records == []


@pytest.mark.parametrize("speak", [reset, talk, many, lambda sock, stopped: None])
def test_what_is_no_answer_is_tried_again(speak: Speak) -> None:
    """Hung up, or no HTTP: nobody was reached; and what was said instead is not repeated."""
    with hostile(speak) as server:
        error = failure(server.url)
    assert reason_of(error) == "connect"
    assert "private" not in str(error)


def test_nobody_there_is_tried_again() -> None:
    """A port that nothing listens on."""
    assert reason_of(failure(f"http://127.0.0.1:{free_port()}/")) == "connect"


def leads(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Have every name lead to these addresses."""
    real: Callable[..., Any] = socket.getaddrinfo

    def answer(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        if host[0].isdigit():
            return real(host, port, *args, **kwargs)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


def test_where_nobody_is_at_one_address_the_next_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may have addresses where nobody listens: IPv6's, often."""
    leads(monkeypatch, "127.0.0.2", "127.0.0.1")
    with receiver() as server:
        channel(f"http://hooks.example.org:{server.port}/hooks").send(NOTICE)
    assert len(server.requests) == 1


def test_a_name_without_an_address_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that knows nothing now may know more later."""
    leads(monkeypatch)
    assert reason_of(failure("http://hooks.example.org/")) == "connect"


# TLS.


def test_a_host_s_certificate_is_checked_by_its_name(tmp_path: Path) -> None:
    """The connection goes to the address, the certificate and the server's name are the URL's."""
    pem, context = certificate(tmp_path, "localhost")
    with receiver(context=context) as server:
        channel(f"https://localhost:{server.port}/hooks", ca=str(pem)).send(NOTICE)
    assert server.names == ["localhost"]
    assert server.requests[0].headers["host"] == f"localhost:{server.port}"


@pytest.mark.parametrize("trusted", [False, True], ids=["stranger", "elsewhere"])
def test_a_certificate_that_is_not_the_host_s_is_refused(tmp_path: Path, trusted: bool) -> None:
    """Nobody vouches for it, or it is another host's: nothing is posted, and it is tried again."""
    pem, context = certificate(tmp_path, "elsewhere.example" if trusted else "localhost")
    with receiver(context=context) as server:
        ca = str(pem) if trusted else None
        error = failure(f"https://localhost:{server.port}/", ca=ca)
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert reason_of(error) == "connect"
    assert server.requests == []


def test_a_handshake_that_never_ends_is_a_time_out() -> None:
    """A server that listens and does not answer by TLS does not hold anybody up."""
    with hostile(wait) as server:
        error = failure(server.url.replace("http:", "https:"), timeout=0.5)
    assert reason_of(error) == "timeout"


# Whom it is posted to.


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "127.1", "0"])
def test_a_name_that_leads_inside_is_refused(host: str) -> None:
    """A private address behind a name, or a number that is one, is not connected to."""
    accepted: list[int] = []
    with hostile(lambda sock, stopped: accepted.append(1)) as server:
        url = server.url.replace("http://127.0.0.1", f"https://{host}")
        error = failure(url, allow_private=False)
        assert not server.over.is_set()
    assert "allow_private" in str(error)
    assert reason_of(error) == "connect"
    assert accepted == []


@pytest.mark.parametrize(
    "url",
    [
        *("https://127.0.0.1/", "https://10.0.0.1/", "https://169.254.169.254/latest/"),
        *("https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[fd00:ec2::254]/"),
    ],
)
def test_a_private_address_is_refused_at_once(url: str) -> None:
    """An address in the URL that is not the Internet's is an error where the channel is made."""
    with pytest.raises(ConfigurationError, match="allow_private=True"):
        WebhookChannel(url, OLD)
    WebhookChannel(url, OLD, allow_private=True)


def test_a_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was checked is connected to, wherever the name leads the next moment."""
    asked: list[str] = []
    real: Callable[..., Any] = socket.getaddrinfo

    def answer(host: str, *args: Any, **kwargs: Any) -> Any:
        if host != "hooks.example.org":
            return real(host, *args, **kwargs)
        asked.append(host)
        return real("127.0.0.1" if len(asked) == 1 else "127.0.0.2", *args, **kwargs)

    with receiver() as server, receiver(host="127.0.0.2", port=server.port) as other:
        monkeypatch.setattr(socket, "getaddrinfo", answer)
        channel(f"http://hooks.example.org:{server.port}/hooks").send(NOTICE)
        assert asked == ["hooks.example.org"]
        assert other.requests == []
    assert server.requests[0].headers["host"] == f"hooks.example.org:{server.port}"


def test_one_private_address_among_others_is_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with an address outside and one inside is refused before either is tried."""
    leads(monkeypatch, "93.184.215.14", "127.0.0.1")
    error = failure("https://hooks.example.org/", allow_private=False)
    assert "allow_private" in str(error)


def test_a_look_up_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that does not answer holds nobody up, and no other channel at all."""
    over, real = threading.Event(), socket.getaddrinfo

    def look_up(host: str, *args: Any, **named: Any) -> Any:
        if host == "hooks.example.org":
            over.wait(PATIENCE)
        return real("127.0.0.1", *args, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    hangs = channel("http://hooks.example.org/", timeout=0.1)
    try:
        for _ in range(HANGING + 1):
            with pytest.raises(TimeoutError) as caught:
                hangs.send(NOTICE)
        assert reason_of(caught.value) == "timeout"
        with receiver() as server:
            channel(server.url.replace("127.0.0.1", "other.example.org")).send(NOTICE)
        assert len(server.requests) == 1
    finally:
        over.set()


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request goes to its receiver, whatever the shell says."""
    with receiver() as proxy, receiver() as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        channel(server.url).send(NOTICE)
    assert len(server.requests) == 1
    assert proxy.requests == []


# Bad arguments.


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"url": "ftp://example.org/hidden"}, "expected https://HOST/PATH"),
        ({"url": "https:///hidden"}, "expected https://HOST/PATH"),
        ({"url": "https://example.org:hidden/"}, "expected https://HOST/PATH"),
        ({"url": "https://example.org:0/hidden"}, "expected https://HOST/PATH"),
        ({"url": "https://[::hidden/"}, "expected https://HOST/PATH"),
        ({"url": "https://example.org/hidden\r\nX: y"}, "a character"),
        ({"url": "https://exämple.org/hidden"}, "in ASCII"),
        ({"url": "https://example.org/hid den"}, "without spaces"),
        ({"url": 7}, "the URL is a int"),
        ({"url": "http://u:hidden@example.org/hidden?hidden"}, "not encrypted.*allow_private"),
        ({"url": f"https://{'a' * 64}.example.org/hidden"}, "expected https://HOST/PATH"),
        ({"url": "https://example..org/hidden"}, "expected https://HOST/PATH"),
        ({"allow_private": "no"}, "allow_private is 'no': expected True or False"),
        ({"allow_private": None}, "allow_private is None: expected True or False"),
        ({"secret": None}, "no secret"),
        ({"secret": 7}, "whsec_"),
        ({"secret": "hidden"}, "whsec_"),
        ({"secret": "whsec_hidden!"}, "Base64"),
        ({"secret": "whsec_hidden=="}, "24 to 64 bytes"),
        ({"secret": secret("hidden")}, "192 bytes.*24 to 64 bytes"),
        ({"secret": b"whsec_hidden"}, "whsec_"),
        ({"secret": []}, "no secret"),
        ({"secret": [OLD, "hidden"]}, "whsec_"),
        ({"name": "Web Hook"}, "1 to 32 of"),
        ({"name": ""}, "1 to 32 of"),
        ({"timeout": 0}, r"0\.1 to 30"),
        ({"timeout": 31}, r"0\.1 to 30"),
        ({"timeout": "5"}, r"0\.1 to 30"),
        ({"ca": "/nowhere.pem"}, "a file of certificates"),
    ],
)
def test_what_can_t_be_used_is_said_where_it_is_made(arguments: dict[str, Any], says: str) -> None:
    """The error says what was expected, and shows neither URL nor secret."""
    with pytest.raises(ConfigurationError, match=says) as caught:
        WebhookChannel(**{"url": "https://example.org/hidden", "secret": OLD, **arguments})
    assert "hidden" not in str(caught.value)
    assert caught.value.__cause__ is None or "ca" in arguments


def test_an_attempt_is_over_before_its_delivery_is_taken_up_again() -> None:
    """The channel says how long one may take: below the 45 s that a delivery is leased at least."""
    assert channel("https://example.org/", timeout=20).longest == 20
    assert LONGEST < 45
