"""Limits by address: how many sockets one holds, how often it comes, and what is kept of it."""

from __future__ import annotations

import logging
import sys
from ipaddress import IPv4Address, IPv6Address

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from flask_streamend import ConfigurationError, addresses
from flask_streamend.addresses import Addresses, network_of
from flask_streamend.settings import Settings
from flask_streamend.testing import Refused, live

from .apps.local import make_app, state

ANN, BOB = "192.0.2.1", "192.0.2.2"


def from_(app: Flask, address: str) -> FlaskClient:
    """Return a browser at an address."""
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = address
    return client


def ask(app: Flask, address: str) -> int:
    """Ask from an address whether one would be let in; return the answer's status."""
    return from_(app, address).get("/ws/jam").status_code


def test_an_address_comes_as_often_as_allowed(caplog: pytest.LogCaptureFixture) -> None:
    """One handshake more is 429, says when to come again, and is counted; others are let in."""
    app = make_app("memory://", STREAMEND_HANDSHAKE_RATE="3/hour")
    caplog.set_level(logging.WARNING, "flask_streamend")
    assert [ask(app, ANN) for _ in range(4)] == [426, 426, 426, 429]
    assert ask(app, BOB) == 426
    answer = from_(app, ANN).get("/ws/jam")
    assert answer.json is not None
    assert answer.json["error"] == "limit-reached"
    assert "STREAMEND_HANDSHAKE_RATE" in answer.json["message"]
    assert "ProxyFix" in answer.json["message"]
    assert 1 <= int(answer.headers["Retry-After"]) <= 2 * 3600
    assert state(app).tally.pending()["refusals|limit"] == 2
    assert ANN not in caplog.text + answer.text


def test_several_rates_hold_together() -> None:
    """The stricter of two rates decides."""
    app = make_app("memory://", STREAMEND_HANDSHAKE_RATE="100/second;2/hour")
    assert [ask(app, ANN) for _ in range(3)] == [426, 426, 429]


def test_a_refusal_that_costs_nothing_is_not_counted_as_a_handshake() -> None:
    """What is no event's id, or of another origin, is refused before the rate."""
    app = make_app("memory://", STREAMEND_HANDSHAKE_RATE="1/hour")
    ann = from_(app, ANN)
    for _ in range(3):
        assert ann.get("/ws/not an id").status_code == 400
        assert ann.get("/ws/jam", headers={"Origin": "https://evil.test"}).status_code == 403
    assert ann.get("/ws/jam").status_code == 426


def test_an_address_holds_as_many_sockets_as_allowed() -> None:
    """One socket more is refused, over all events; a place that is left is another's."""
    app = make_app("memory://", STREAMEND_MAX_CLIENTS_PER_ADDRESS=2)
    with live(app) as stage:
        with stage.socket("jam", from_(app, ANN)), stage.socket("gig", from_(app, ANN)):
            with pytest.raises(Refused, match="STREAMEND_MAX_CLIENTS_PER_ADDRESS") as caught:
                stage.socket("jam", from_(app, ANN)).__enter__()
            assert caught.value.response.status_code == 429
            assert ANN not in str(caught.value)
            assert ask(app, ANN) == 429
            with stage.socket("jam", from_(app, BOB)):
                assert stage.clients("jam") == 2
        with stage.socket("jam", from_(app, ANN)):
            assert stage.clients("jam") == 1
        assert not stage.state.addresses._held


def test_no_address_is_kept_in_the_clear() -> None:
    """What is counted by address holds none, and no digest that another process could make."""
    settings = Settings(max_clients_per_address=5, handshake_rate="5/second")
    one, other = Addresses(settings), Addresses(settings)
    for known in (one, other):
        known.enter(ANN)
        assert known.too_often(ANN) is None
    assert one._rate is not None
    kept = [*one._held, *one._rate._storage.storage]
    assert len(kept) == 2
    assert not any(ANN in name for name in kept)
    assert set(one._held).isdisjoint(other._held)
    for known in (one, other):
        known.leave(ANN)
        assert not known._held


def test_what_is_kept_of_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many addresses come, no more than so many counts are kept."""
    monkeypatch.setattr(addresses, "REMEMBERED", 50)
    known = Addresses(Settings(handshake_rate="1/hour"))
    for number in range(1000):
        known.too_often(str(IPv4Address(number)))
        assert known._rate is not None
        assert len(known._rate._storage.storage) <= 51


def test_nothing_is_counted_where_there_is_no_limit() -> None:
    """By default an address costs nothing."""
    known = Addresses(Settings())
    known.enter(ANN)
    assert known.too_often(ANN) is None
    assert known.full(ANN) is None
    assert (known._rate, not known._held) == (None, True)
    known.leave(ANN)


@given(st.text() | st.ip_addresses().map(str) | st.none())
def test_any_address_can_be_counted(address: str | None) -> None:
    """What a server calls its peer's address, or none as on a Unix socket, is counted."""
    known = Addresses(Settings(max_clients_per_address=1))
    known.enter(address)
    assert known.full(address) is not None
    known.leave(address)
    assert known.full(address) is None


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_an_ipv6_address_is_its_network(address: IPv6Address, host: int) -> None:
    """Who has an IPv6 address has 2**64 of them, and is limited as one."""
    neighbour = IPv6Address(int(address) >> 64 << 64 | host)
    if not address.ipv4_mapped and not neighbour.ipv4_mapped:
        assert network_of(str(address)) == network_of(str(neighbour))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_itself_however_it_is_written(address: IPv4Address) -> None:
    """A server that listens for both kinds writes IPv4 addresses as IPv6."""
    assert network_of(f"::ffff:{address}") == network_of(str(address)) == str(address)


@pytest.mark.parametrize(
    "value", ["often", "", 10, True, "0/second", "10/second, x", "1/fortnight"]
)
def test_a_rate_that_is_none_stops(value: object) -> None:
    """A rate that can't be read stops the application at its start."""
    with pytest.raises(ConfigurationError, match=r"STREAMEND_HANDSHAKE_RATE is .*: expected a"):
        make_app(STREAMEND_HANDSHAKE_RATE=value)


def test_a_rate_needs_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the error says what to install."""
    monkeypatch.setitem(sys.modules, "limits", None)
    with pytest.raises(ConfigurationError, match="with the extra `limits`"):
        make_app(STREAMEND_HANDSHAKE_RATE="10/second")
