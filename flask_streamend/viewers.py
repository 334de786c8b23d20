"""Somebody who watches, as the process that holds them knows them."""

from __future__ import annotations

from typing import Protocol


class Viewer(Protocol):
    """Somebody who watches, as this process knows them."""

    @property
    def name(self) -> str:
        """Who it is, hashed; empty where nobody said."""

    def stop(self, code: int) -> None:
        """Let go of, with a close code. Must not block."""

    @property
    def listens(self) -> bool:
        """Whether this viewer wants to hear how many watch."""

    def tell(self, clients: int) -> None:
        """Hear how many watch. Must not block."""


class Silent:
    """A viewer who is only counted."""

    __slots__ = ()
    name = ""
    listens = False

    def stop(self, code: int) -> None:
        """Do nothing: there is no socket to close."""

    def tell(self, clients: int) -> None:
        """Do nothing."""


class Named(Silent):
    """A viewer who is only counted, and told from others.

    :param name: who it is, hashed.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name
