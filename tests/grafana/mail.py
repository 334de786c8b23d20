"""A mailbox that refuses one address for good."""

from __future__ import annotations

from typing import Any

from aiosmtpd.handlers import Mailbox


class Refusing(Mailbox):
    """aiosmtpd's handler, with a host it doesn't know."""

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Refuse ``refused@…``."""
        if address.startswith("refused@"):
            return "550 no such host here"
        envelope.rcpt_tos.append(address)
        return "250 OK"
