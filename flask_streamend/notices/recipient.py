"""A host's address, as whoever typed it left it in the application's tables."""

from __future__ import annotations

import re
from email import policy
from typing import Any

from ..errors import PermanentError
from .smtp import ascii_domain

#: Characters that are looked at, a display name's included: the parser's time grows with them.
LONGEST_TEXT = 1000
#: RFC 5321, 4.5.3.1: octets of what stands before the ``@``, and of the whole.
LONGEST_LOCAL = 64
LONGEST_ADDRESS = 254
#: An address of plain atoms (RFC 5322, 3.4.1), as most are: the parser would say the same of it.
_PLAIN = re.compile(
    r"([\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*)@((?:[\w-]+\.)*[\w-]+)", re.A
)


def check_address(text: str) -> str:
    """Return the one address of a text, with its name where it has one.

    :raises PermanentError: where no mail could reach anybody by it, or more than one would get it;
        the address is not in its words.
    """
    if any(break_ in text for break_ in "\r\n"):
        raise _unusable("holds a line break")
    if len(text) > LONGEST_TEXT:
        raise _unusable(f"has {len(text):,} characters")
    if plain := _PLAIN.fullmatch(text):
        return _short(plain[0], plain[1], plain[2])
    try:
        header: Any = policy.default.header_factory("To", text)
        addresses, groups, defects = header.addresses, header.groups, header.defects
    except Exception as error:  # the parser trips over some texts
        raise _unusable("is no e-mail address") from error
    if len(addresses) > 1:
        raise _unusable("is more than one")
    if not addresses or any(group.display_name for group in groups):
        raise _unusable("is no e-mail address")
    (address,) = addresses
    if not address.username.isascii():
        raise _unusable("is not ASCII before the @")
    domain = ascii_domain(address.domain)
    if defects or not address.username or not domain:
        raise _unusable("is no e-mail address")
    return _short(str(address), address.username, domain)


def _short(address: str, local: str, domain: str) -> str:
    # With room for the @.
    if len(local) > LONGEST_LOCAL or len(local + domain) >= LONGEST_ADDRESS:
        raise _unusable("is too long")
    return address


def _unusable(why: str) -> PermanentError:
    return PermanentError(f"the host's address can't be used: it {why}")
