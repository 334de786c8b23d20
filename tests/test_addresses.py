"""Which addresses a webhook may go to: the Internet's, and what leads nowhere else."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis.strategies import ip_addresses

from flask_streamend.notices.addresses import is_public


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "93.184.215.14", "192.0.3.1", "2606:4700::1111", "2001:4860::1", "2a00:1450::1"],
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    """Anybody's."""
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1"),
        *("169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "168.63.129.16"),
        *("192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
        *("224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254"),
        *("2001:db8::1", "2001::1", "2002:7f00:1::", "ff02::1", "100::1", "4000::1"),
    ],
)
def test_what_is_not_the_internet_s_is_not_public(address: str) -> None:
    """Loopback, private, link-local, shared, reserved, multicast, the clouds' own services."""
    assert not is_public(address)


@given(ip_addresses(v=4))
def test_an_ipv4_address_inside_ipv6_is_what_it_is(address: IPv4Address) -> None:
    """Mapped, compatible or translated, it is judged as the address that it leads to."""
    public = is_public(str(address))
    for beginning in ("::ffff:0:0", "::", "64:ff9b::"):
        within = IPv6Address(int(IPv6Address(beginning)) | int(address))
        assert is_public(str(within)) == public
