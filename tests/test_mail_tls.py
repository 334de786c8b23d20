"""The mail server's certificate: checked, unless the application says otherwise."""

from __future__ import annotations

import datetime
import ipaddress
import smtplib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from flask_streamend import Event, MailChannel, Notice

from .apps.local import make_app, state
from .smtp import Inbox, Server

NOTICE = Notice(
    Event("jam", "The jam", "h1", "host@example.org"), "5e55", 1.7e9, "https://e.org", "<1@e.org>"
)
STARTTLS, WRAPPED = "MAIL_USE_TLS", "MAIL_USE_SSL"
both_ways = pytest.mark.parametrize("how", [STARTTLS, WRAPPED])


def certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """Make a self-signed certificate for an address or a host name; return it and a context."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    alternative: x509.GeneralName = x509.DNSName(name)
    if name[0].isdigit():
        alternative = x509.IPAddress(ipaddress.ip_address(name))
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "server.pem", folder / "server.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)
    return pem, context


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
