"""A channel for programs: a signed HTTP request, as Standard Webhooks has it.

https://www.standardwebhooks.com; whoever receives it checks it with any of its libraries.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from collections.abc import Sequence
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any

from standardwebhooks import Webhook

from .._version import __version__
from ..errors import ConfigurationError, PermanentError
from ..event import Notice
from .arguments import channel_name, channel_timeout, one_or_more
from .endpoint import Endpoint
from .failures import Deferred
from .quiet import quiet

#: Answers after which the same message would fare no better: gone for good (Standard Webhooks
#: has it mean "no more of these"), too large, of a kind or a shape that is not taken.
FINAL = frozenset({410, 413, 415, 422})
#: Answers of one who does not know us: a key was changed at one end, and will be at the other.
AUTH = frozenset({401, 403, 407})

#: Seconds for a request unless the channel is told otherwise.
TIMEOUT = 15.0


class WebhookChannel:
    """Tells a host's program: posts signed JSON to a URL.

    ::

        StreamEnd(channels=[WebhookChannel("https://example.org/hooks", "whsec_…")])

    A message carries the same ``webhook-id`` at every attempt, so that a repeat is recognisable.

    :param url: ``https://…``; user and password in it are sent as HTTP Basic.
    :param secret: what it is signed with, ``whsec_`` and 24 to 64 bytes in Base64; several while
        one takes another's place: a signature by each is sent.
    :param name: the channel's name, in preferences and metrics.
    :param allow_private: whether ``http://`` will do, and addresses that are not the Internet's.
    :param ca: a file of certificate authorities to trust beside the system's.
    :param timeout: seconds for one attempt, 0.1 to 30.
    :raises ConfigurationError: where one of these can't be used; no text shows URL or secret.
    """

    def __init__(
        self,
        url: str,
        secret: str | Sequence[str],
        name: str = "webhook",
        *,
        allow_private: bool = False,
        ca: str | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self.name = channel_name(name)
        #: Seconds after which an attempt is over.
        self.longest = channel_timeout(timeout)
        self._endpoint = Endpoint(url, allow_private=allow_private, ca=ca, timeout=self.longest)
        secrets = one_or_more(secret)
        if not secrets:
            raise ConfigurationError("WebhookChannel has no secret: expected one or more")
        self._signers = [Webhook(_key(one)) for one in secrets]

    def send(self, notice: Notice) -> None:
        """Post one notice. An answer of 2xx is its acceptance.

        :raises PermanentError: at an answer after which another try is useless.
        :raises OSError: (with urllib3's errors) where it may go better next time.
        """
        body = json.dumps(payload(notice), separators=(",", ":"))
        with quiet():
            status = self._endpoint.post(body.encode(), self._headers(notice, body))
        if 200 <= status < 300:
            return
        text = f"{self._endpoint} answered {_phrase(status)}"
        if status in FINAL:
            raise PermanentError(text)
        raise Deferred(text, "auth" if status in AUTH else "refused")

    def _headers(self, notice: Notice, body: str) -> dict[str, str]:
        message, now = webhook_id(notice), datetime.now(timezone.utc)
        signatures = [signer.sign(message, now, body) for signer in self._signers]
        return {
            "Content-Type": "application/json",
            "User-Agent": f"flask-streamend/{__version__}",
            "webhook-id": message,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


def webhook_id(notice: Notice) -> str:
    """Return a message's id, made from the notice's: the format wants none of its full stops."""
    return f"msg_{hashlib.sha256(notice.message_id.encode()).hexdigest()[:32]}"


def payload(notice: Notice) -> dict[str, Any]:
    """Return what is posted, as plain values: of one end, or of a digest's ends."""
    several = len(notice.ends) > 1
    return {
        "type": "event.digest" if several else "event.ended",
        "timestamp": _iso(notice.due_at),
        "data": {"members": [_data(end) for end in notice.ends]} if several else _data(notice),
    }


def _data(notice: Notice) -> dict[str, Any]:
    return {
        "event_id": notice.event.id,
        "session": notice.session,
        "due_at": notice.due_at,
        "stopped": notice.stopped,
        "url": notice.url,
        "host_id": notice.event.host_id,
    }


def _iso(at: float) -> str:
    moment = datetime.fromtimestamp(at, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _phrase(status: int) -> str:
    """Return a status with its meaning, in our words: the answer's own text may hold anything."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _key(secret: str) -> bytes:
    """Return a secret's bytes.

    :raises ConfigurationError: where it is none; the text does not show it.
    """
    expected = "expected whsec_ and 24 to 64 bytes in Base64"
    if not isinstance(secret, str) or not secret.startswith("whsec_"):
        raise ConfigurationError(f"a secret does not begin with whsec_: {expected}")
    text = secret.removeprefix("whsec_").rstrip("=")
    try:
        key = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise ConfigurationError(f"a secret is not in Base64: {expected}") from None
    if not 24 <= len(key) <= 64:
        raise ConfigurationError(f"a secret has {len(key)} bytes: {expected}")
    return key
