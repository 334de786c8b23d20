"""Which addresses are the public Internet's, whatever name led to them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

#: All of IPv6 that is given out to the Internet.
_UNICAST = IPv6Network("2000::/3")
#: An IPv4 address stands in the last 32 bits: as it is, mapped, translated (NAT64).
_WITH_IPV4 = tuple(IPv6Network(net) for net in ("::/96", "::ffff:0:0/96", "64:ff9b::/96"))
#: Relays that lead to an IPv4 address of the sender's choice: 6to4 and Teredo.
_RELAYS = tuple(IPv6Network(net) for net in ("2002::/16", "2001::/32"))
#: Clouds' own services for their machines that Python has for public: Azure's by its number;
#: Oracle's where Python is older than its notion of that network.
_SERVICES = (IPv4Network("168.63.129.16/32"), IPv4Network("192.0.0.0/24"))


def is_public(address: str) -> bool:
    """Return whether an address may be anybody's on the Internet.

    Not so are loopback, private, link-local, shared and reserved ones, with them the clouds'
    metadata services, multicast, and what leads to one of these.
    """
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        if any(found in net for net in _WITH_IPV4):
            return _is_public(IPv4Address(int(found) & 0xFFFF_FFFF))
        if found not in _UNICAST or any(found in net for net in _RELAYS):
            return False
        return found.is_global
    return _is_public(found)


def _is_public(address: IPv4Address) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in net for net in _SERVICES)
    )
