"""What a streaming server's connections are called in the store."""

from __future__ import annotations

from typing import Literal

from ..sealing import Sealer

Kind = Literal["plays", "publishes"]


def tag(server: str, instance: str) -> str:
    """Return what the names of one streaming server's connections begin with."""
    return f"{server}/{instance} "


def pseudonym(sealer: Sealer, tag: str, kind: Kind, viewer: str) -> str:
    """Return what stands for a connection; who reads it does not learn its address."""
    return sealer.pseudonym(f"{tag}{kind} {viewer}")


def guest(sealer: Sealer, tag: str, kind: Kind, viewer: str, life: str) -> str:
    """Return a connection's name in the store."""
    return f"{tag}{life} {pseudonym(sealer, tag, kind, viewer)}"


def parts(tag: str, guest: str) -> tuple[str, str]:
    """Return the life and the pseudonym in a connection's name."""
    life, _, stands_for = guest[len(tag) :].partition(" ")
    return life, stands_for
