"""The mail server's certificate: checked, unless the application says otherwise."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_streamend import Event, MailChannel, Notice

from .apps.local import make_app, state
from .certificates import certificate
from .smtp import Inbox, Server

NOTICE = Notice(
    Event("jam", "The jam", "h1", "host@example.org"), "5e55", 1.7e9, "https://e.org", "<1@e.org>"
)
STARTTLS, WRAPPED = "MAIL_USE_TLS", "MAIL_USE_SSL"
both_ways = pytest.mark.parametrize("how", [STARTTLS, WRAPPED])


Certified = tuple[Path, Server]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[str, str], Certified]]:
    """Return a function that starts a server with a certificate, and returns that as well."""
    started: list[Server] = []

    def run(how: str, name: str) -> Certified:
        pem, context = certificate(tmp_path, name)
        wrapped, starttls = (context, None) if how == WRAPPED else (None, context)
        started.append(Server(Inbox(), wrapped, starttls))
        started[-1].start()
        return pem, started[-1]

    yield run
    for server in started:
        server.stop()


Serve = Callable[[str, str], Certified]


def send(server: Server, how: str, **config: Any) -> None:
    """Send a notice over a server, encrypted in this way."""
    app = make_app(**{"MAIL_PORT": server.port, how: True, **config})
    with app.app_context(), MailChannel(state(app).settings) as channel:
        channel.send(NOTICE)


@both_ways
def test_a_certificate_nobody_vouches_for_is_refused(serve: Serve, how: str) -> None:
    """A self-signed certificate is refused, by STARTTLS and from the first byte alike."""
    _, server = serve(how, "127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError, match="self-signed"):
        send(server, how)
    assert server.handler.raw == []


@both_ways
def test_a_certificate_may_go_unchecked(serve: Serve, how: str) -> None:
    """With STREAMEND_MAIL_VERIFY=False any certificate will do."""
    _, server = serve(how, "elsewhere.example")
    send(server, how, STREAMEND_MAIL_VERIFY=False)
    assert len(server.handler.raw) == 1


@both_ways
def test_an_authority_may_be_added(serve: Serve, how: str) -> None:
    """With STREAMEND_MAIL_CA the certificates it vouches for are accepted."""
    pem, server = serve(how, "127.0.0.1")
    send(server, how, STREAMEND_MAIL_CA=str(pem))
    assert len(server.handler.raw) == 1


@both_ways
def test_a_certificate_of_another_host_is_refused(serve: Serve, how: str) -> None:
    """A certificate that is vouched for, but is another host's, is refused."""
    pem, server = serve(how, "elsewhere.example")
    with pytest.raises(ssl.SSLCertVerificationError, match="127"):
        send(server, how, STREAMEND_MAIL_CA=str(pem))
    assert server.handler.raw == []


def test_a_server_without_starttls_gets_no_mail_in_the_clear() -> None:
    """Where STARTTLS is asked for and not offered, nothing is sent."""
    server = Server(Inbox())
    server.start()
    try:
        with pytest.raises(smtplib.SMTPNotSupportedError):
            send(server, STARTTLS)
    finally:
        server.stop()
    assert server.handler.raw == []
