"""Sealing: which key, which tokens open."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from flask import Flask

from flask_streamend import ConfigurationError, StreamEnd
from flask_streamend.sealing import Sealer, keys_for

from .apps.local import NO_REDIS, make_app, state
from .apps.pages import ROOT, marked


def key() -> str:
    """Return a new key."""
    return Fernet.generate_key().decode()


def test_the_derived_key_is_stable() -> None:
    """A secret key gives the same key in every process and version: tokens lie in queues."""
    (derived,) = keys_for((), "the secret")
    assert derived == "USEm0CAAEc6h2pZWWyHBkRubCUiedsqWQviCLezMdlw="
    assert keys_for((), b"the secret") == (derived,)
    assert keys_for((), "another secret") != (derived,)


def test_a_secret_key_of_before_still_opens() -> None:
    """A secret key is rotated as Flask has it: what the one of before sealed and signed opens."""
    config = {"STREAMEND_REDIS_URL": "memory://", "MAIL_DEFAULT_SENDER": "live@example.org"}
    apps = [Flask("before"), Flask("after"), Flask("without")]
    fallbacks: list[list[str] | None] = [None, ["old"], None]
    for app, secret, old in zip(apps, ("old", "new", "new"), fallbacks, strict=True):
        app.config.update(config, SECRET_KEY=secret, SECRET_KEY_FALLBACKS=old)
        StreamEnd(app)
    before, after, without = map(state, apps)
    sealed, token = before.sealer.seal("jam", "s1"), before.tokens.make("jam", "ann", 60)
    assert after.sealer.unseal(sealed) == ("jam", "s1")
    assert after.tokens.check(token, "jam") == "ann"
    assert before.sealer.name("ann") in after.sealer.pseudonyms("ann")[1:]
    assert before.sealer.unseal(after.sealer.seal("jam", "s2")) is None
    assert without.sealer.unseal(sealed) is None


def test_the_page_goes_from_a_derived_key_to_one_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As it is shown: the new key seals, and the derived one opens what lies there."""
    new = key()
    monkeypatch.setenv("LIVE_KEY", new)
    app = Flask("shown")
    app.config["SECRET_KEY"] = "the secret"
    page = ROOT / "docs" / "configuration.md"
    exec(compile(marked(page, "file", "keys.py").body, "keys.py", "exec"), {"app": app})
    assert app.config["STREAMEND_ENCRYPTION_KEYS"] == [new, *keys_for((), "the secret")]


def test_given_keys_go_before_the_secret_key() -> None:
    """With keys of its own an application does not derive one."""
    keys = (key(), key())
    assert keys_for(keys, "the secret") == keys
    assert keys_for(keys, None) == keys


def test_an_older_key_still_opens() -> None:
    """After a rotation tokens of the old key open, and new ones are of the new key only."""
    old, new = key(), key()
    before, after = Sealer((old,)), Sealer((new, old))
    token = before.seal("jam", "s1")
    assert after.unseal(token) == ("jam", "s1")
    fresh = after.seal("jam", "s2")
    assert before.unseal(fresh) is None
    assert Sealer((new,)).unseal(fresh) == ("jam", "s2")


@pytest.mark.parametrize("token", ["", "x", "é", "\ud800"])
def test_what_is_no_token_is_nothing(token: str) -> None:
    """A damaged token unseals to None and raises nothing."""
    assert Sealer((key(),)).unseal(token) is None


def test_what_no_key_opens_is_nothing() -> None:
    """So does another application's token."""
    assert Sealer((key(),)).unseal(Sealer((key(),)).seal("jam", "s1")) is None


def test_a_damaged_token_is_nothing() -> None:
    """A token with one character changed does not open."""
    sealer = Sealer((key(),))
    token = sealer.seal("jam", "s1")
    assert sealer.unseal(token) == ("jam", "s1")
    middle = len(token) // 2
    other = "A" if token[middle] != "A" else "B"
    assert sealer.unseal(token[:middle] + other + token[middle + 1 :]) is None


def test_what_was_sealed_comes_back() -> None:
    """Any text comes back as it was, and the token shows none of it."""
    sealer = Sealer((key(),))
    # Of a short one random text has each now and then: s1 in one token of fifty.
    for values in (
        (),
        ("",),
        ("friday-jam", "session-1"),
        ('"quoted"', "zwölf ☕ \u2028", "host@example.org"),
    ):
        token = sealer.seal(*values)
        assert sealer.unseal(token) == values
        assert token.isascii()
        assert not any(value and value in token for value in values)


def test_neither_key_nor_secret_stops_with_the_cure() -> None:
    """An application with neither key does not start, and reads what to set."""
    app = Flask("app")
    app.config["STREAMEND_REDIS_URL"] = NO_REDIS
    with pytest.raises(
        ConfigurationError,
        match="Neither STREAMEND_ENCRYPTION_KEYS nor SECRET_KEY is set: expected",
    ):
        StreamEnd(app)
    app.config["STREAMEND_ENCRYPTION_KEYS"] = key()
    StreamEnd(app)
    assert state(app).sealer.unseal(state(app).sealer.seal("jam")) == ("jam",)


def test_two_processes_of_one_application_open_each_other_s() -> None:
    """Two applications with the same secret key open each other's tokens, others don't."""
    web, worker, other = (make_app(SECRET_KEY=secret) for secret in ("one", "one", "other"))
    token = state(web).sealer.seal("jam", "s1")
    assert state(worker).sealer.unseal(token) == ("jam", "s1")
    assert state(other).sealer.unseal(token) is None
