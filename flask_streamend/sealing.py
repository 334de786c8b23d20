"""Sealing: what is private in Redis or in a job is a Fernet token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .errors import ConfigurationError


class Sealer:
    """Seals with the newest key and unseals with any of them.

    :param keys: Fernet keys, newest first.
    :ivar fingerprints: one for each key, by which two processes see whether they have the same.
    """

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._secrets = [b"flask_streamend pseudonym" + key.encode() for key in keys]
        self.fingerprints = tuple(map(_fingerprint, keys))
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def pseudonyms(self, name: str) -> list[str]:
        """Return names that stand for another one and do not tell it, the same every time.

        The first is the one to use, of the newest key; by the others it went before a rotation.
        """
        text = name.encode(errors="surrogatepass")
        return [hmac.new(key, text, hashlib.sha256).hexdigest()[:24] for key in self._secrets]

    def name(self, viewer_id: str | None) -> str:
        """Return who a viewer is as a pseudonym; empty where nobody says."""
        return self.pseudonyms(viewer_id)[0] if viewer_id else ""

    def seal(self, *values: str) -> str:
        """Return the values as one token."""
        return self._fernet.encrypt(json.dumps(values).encode()).decode()

    def unseal(self, token: str) -> tuple[str, ...] | None:
        """Return the values of a token; None where no key opens it."""
        try:
            return tuple(json.loads(self._fernet.decrypt(token.encode())))
        except (InvalidToken, ValueError):
            return None


def _fingerprint(key: str) -> str:
    return hmac.new(key.encode(), b"flask_streamend fingerprint", hashlib.sha256).hexdigest()[:16]


def keys_for(
    keys: tuple[str, ...], secret_key: str | bytes | None, fallbacks: Iterable[str | bytes] = ()
) -> tuple[str, ...]:
    """Return the keys given, else one derived from the application's secret key.

    :param fallbacks: secret keys of before a rotation, newest first: of each one is derived, too.
    :raises ConfigurationError: where there is neither.
    """
    if keys:
        return keys
    if not secret_key:
        raise ConfigurationError(
            "Neither STREAMEND_ENCRYPTION_KEYS nor SECRET_KEY is set: expected one of them, the"
            " same in every web process and worker, to seal what lies in Redis"
        )
    return tuple(map(_derived, (secret_key, *fallbacks)))


def _derived(secret_key: str | bytes) -> str:
    secret = secret_key.encode() if isinstance(secret_key, str) else secret_key
    # A purpose of its own, so that this key opens nothing else the secret key protects.
    derived = HKDF(SHA256(), 32, salt=None, info=b"flask_streamend sealing").derive(secret)
    return base64.urlsafe_b64encode(derived).decode()
