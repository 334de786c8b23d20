"""What a streaming server's connections are called in the store."""

from __future__ import annotations

from typing import Literal

from ..sealing import Sealer

Kind = Literal["plays", "publishes"]
KINDS: tuple[Kind, ...] = ("plays", "publishes")


def tag(server: str, instance: str) -> str:
    """Return what the names of one streaming server's connections begin with."""
    return f"{server}/{instance} "


def pseudonyms(sealer: Sealer, tag: str, kind: Kind, viewer: str) -> list[str]:
    """Return what stands for a connection, and stood before keys were rotated, newest first."""
    return sealer.pseudonyms(f"{tag}{kind} {viewer}")


def guests(sealer: Sealer, tag: str, kind: Kind, viewer: str, life: str) -> list[str]:
    """Return a connection's name in the store, and those it may have from before, newest first."""
    return [f"{tag}{life} {name}" for name in pseudonyms(sealer, tag, kind, viewer)]


def parts(tag: str, guest: str) -> tuple[str, str]:
    """Return the life and the pseudonym in a connection's name."""
    life, _, stands_for = guest[len(tag) :].partition(" ")
    return life, stands_for
