"""The settings: defaults, checks, fall-backs to the environment, warnings."""

from __future__ import annotations

import dataclasses
import logging
import traceback
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask

from flask_streamend import ConfigurationError, StreamEnd
from flask_streamend.settings import SECRETS, Settings, known_keys

#: The contract's table (docs: configuration), as far as the settings are there.
DEFAULTS: dict[str, Any] = {
    "STREAMEND_DELAY": 30.0,
    "STREAMEND_REDIS_URL": "redis://localhost:6379",
    "STREAMEND_NAMESPACE": "streamend",
    "FRONTEND_URL": "http://localhost:8081",
    "WEBSOCKET_PORT": 8081,
    "STREAMEND_QUEUE": "default",
    "STREAMEND_PING_INTERVAL": 25.0,
    "STREAMEND_LEASE": 15.0,
    "STREAMEND_MAX_ATTEMPTS": 60,
    "STREAMEND_RETRY_BACKOFF": 5.0,
    "STREAMEND_ENCRYPTION_KEYS": (),
    "STREAMEND_MAIL_VERIFY": True,
    "STREAMEND_MAIL_CA": None,
    "STREAMEND_MAIL_TIMEOUT": 10.0,
    "STREAMEND_MAX_CLIENTS_PER_ADDRESS": None,
    "STREAMEND_HANDSHAKE_RATE": None,
    "STREAMEND_MAX_MESSAGES_PER_SECOND": 100,
    "STREAMEND_NOTICE_FIGURES": False,
    "STREAMEND_MAX_MESSAGE_BYTES": 4096,
    "STREAMEND_METRICS_MAX_EVENTS": 1000,
    "STREAMEND_HEALTH_PATH": "/health",
    "STREAMEND_METRICS_PATH": "/metrics",
    "STREAMEND_URL_PREFIX": "",
}

NOT_NUMBERS: tuple[Any, ...] = (
    "soon",
    "",
    None,
    True,
    [],
    float("nan"),
    float("inf"),
    "nan",
    10**400,
)
NOT_WHOLE: tuple[Any, ...] = ("many", "", None, True, 1.5, "1.5", [], -1)
NOT_PATHS = ("health", 5, b"/health")

#: Values that can't be used, for each setting, and a word of what the error must say was expected.
BAD: dict[str, tuple[str, tuple[Any, ...]]] = {
    "STREAMEND_DELAY": ("a number of seconds from 0 to 86,400", (*NOT_NUMBERS, -1, 86_401)),
    "STREAMEND_REDIS_URL": (
        "redis://",
        ("", None, "localhost:6379", "http://h", "redis://h:port", "redis://h?socket_timeout=x"),
    ),
    "STREAMEND_NAMESPACE": ("1 to 64 characters", ("", None, "a b", "a{b}", "ä", "x" * 65, 5)),
    "FRONTEND_URL": (
        "an http://",
        ("", None, "example.org", "ftp://example.org", "https://", "http://here:99999", 5),
    ),
    "WEBSOCKET_PORT": ("a whole number from 1 to 65,535", (*NOT_WHOLE, 0, 65_536)),
    "STREAMEND_QUEUE": ("a name that is not empty", ("", " ", None, 5)),
    "STREAMEND_PING_INTERVAL": ("a number of seconds from 0.1", (*NOT_NUMBERS, 0, 3601)),
    "STREAMEND_LEASE": ("a number of seconds from 1", (*NOT_NUMBERS, 0.5, 3601)),
    "STREAMEND_MAX_ATTEMPTS": ("a whole number from 1 to 10,000", (*NOT_WHOLE, 0, 10_001)),
    "STREAMEND_RETRY_BACKOFF": ("a number of seconds from 0.01", (*NOT_NUMBERS, 0, 1801)),
    "STREAMEND_ENCRYPTION_KEYS": (
        "a Fernet key",
        ("hunter2", "hünter2", ["hunter2"], [5], 5, b"\xff-hunter2", [Fernet.generate_key(), ""]),
    ),
    "STREAMEND_MAIL_VERIFY": ("True or False", ("maybe", "", None, 2, [])),
    "STREAMEND_MAIL_CA": ("a", ("", " ", 5, True)),
    "STREAMEND_MAIL_TIMEOUT": ("a number of seconds from 0.1", (*NOT_NUMBERS, 0, 301)),
    "STREAMEND_NOTICE_FIGURES": ("True or False", ("maybe", "", None, 2, [])),
    "STREAMEND_MAX_MESSAGE_BYTES": ("a whole number of bytes from 1", (*NOT_WHOLE, 0, 1 << 25)),
    "STREAMEND_MAX_MESSAGES_PER_SECOND": ("a whole number from 1", ("x", "", True, [], 0, 1.5)),
    "STREAMEND_MAX_CLIENTS_PER_ADDRESS": ("a whole number from 1", ("x", "", True, [], 0, 1.5)),
    "STREAMEND_METRICS_MAX_EVENTS": ("a whole number from 0", (*NOT_WHOLE, 1_000_001)),
    "STREAMEND_HEALTH_PATH": ("a path that begins with /", NOT_PATHS),
    "STREAMEND_METRICS_PATH": ("a path that begins with /", NOT_PATHS),
    "STREAMEND_URL_PREFIX": ("a path that begins with /", ("live", "/live/", "/", 5)),
    "REDIS_URL": ("redis://", ("localhost:6379", "redis://h:port", 5)),
    "REDIS_PORT": ("a whole number from 1 to 65,535", ("port", 0, 65_536, 1.5, True)),
    "REDIS_HOST": ("a name", (" ", 5)),
}
CASES = [(key, value) for key, (_, values) in BAD.items() for value in values]


def read(config: Mapping[str, Any], **environ: str) -> Settings:
    """Return the settings of a config and an environment."""
    return Settings.from_config(config, environ)


def name_of(key: str) -> str:
    """Return the attribute that holds a setting."""
    (name,) = [f.name for f in dataclasses.fields(Settings) if f.metadata["key"] == key]
    return name


def test_the_defaults_are_the_contracts() -> None:
    """An application that sets nothing has the contract's defaults, and no setting is without."""
    settings = read({})
    found = {f.metadata["key"]: getattr(settings, f.name) for f in dataclasses.fields(settings)}
    assert {key: found[key] for key in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize(("key", "value"), CASES, ids=lambda value: repr(value)[:40])
def test_a_bad_value_stops_with_key_value_and_expectation(key: str, value: Any) -> None:
    """A value that can't be used is an error that says which, what it is, and what it should be."""
    with pytest.raises(ConfigurationError) as caught:
        read({key: value})
    text = str(caught.value)
    assert text.startswith(f"{key} is ")
    assert f"expected {BAD[key][0]}" in text
    if key not in SECRETS:
        assert repr(value) in text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("STREAMEND_REDIS_URL", "http://:hunter2@localhost"),
        ("STREAMEND_REDIS_URL", "redis://:hunter2℀@localhost"),
        ("REDIS_URL", "http://:hunter2@localhost"),
        ("REDIS_URL", "redis://:hunter2@localhost:port"),
        ("STREAMEND_ENCRYPTION_KEYS", "hunter2"),
        ("STREAMEND_ENCRYPTION_KEYS", ["hunter2"]),
        ("STREAMEND_ENCRYPTION_KEYS", "hunter2ü"),
    ],
)
def test_a_secret_is_not_shown(key: str, value: Any) -> None:
    """The error about a secret does not show it, nor do the errors it came from."""
    with pytest.raises(ConfigurationError) as caught:
        read({key: value})
    assert str(caught.value).startswith(f"{key} is a value that is not shown here: expected ")
    chain = [caught.value, caught.value.__cause__]
    assert "hunter2" not in "".join(
        "".join(traceback.format_exception_only(error)) for error in chain if error
    )


def test_a_bad_value_stops_init_app() -> None:
    """An application with a setting that can't be used does not start, and is left as it was."""
    app = Flask("app")
    app.config.update(SECRET_KEY="tests", STREAMEND_DELAY="soon")
    with pytest.raises(ConfigurationError, match="STREAMEND_DELAY"):
        StreamEnd(app)
    assert "streamend" not in app.extensions
    app.config["STREAMEND_DELAY"] = 5
    StreamEnd(app)
    assert app.extensions["streamend"].settings.delay == 5


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("STREAMEND_DELAY", "2.5", 2.5),
        ("STREAMEND_DELAY", 0, 0.0),
        ("STREAMEND_DELAY", 86_400, 86_400.0),
        ("STREAMEND_MAX_ATTEMPTS", "3", 3),
        ("STREAMEND_MAIL_VERIFY", "off", False),
        ("STREAMEND_MAIL_VERIFY", " True ", True),
        ("FRONTEND_URL", "https://live.example.org/", "https://live.example.org"),
        ("STREAMEND_HEALTH_PATH", None, None),
        ("STREAMEND_METRICS_PATH", None, None),
        ("STREAMEND_URL_PREFIX", None, ""),
        ("STREAMEND_URL_PREFIX", "/live", "/live"),
        ("STREAMEND_MAIL_CA", None, None),
    ],
)
def test_a_text_from_the_environment_is_understood(key: str, value: Any, expected: Any) -> None:
    """Values as environment files hold them, and the ends of the ranges, can be used."""
    found = getattr(read({key: value}), name_of(key))
    assert (found, type(found)) == (expected, type(expected))


def test_keys_are_one_or_a_list_newest_first() -> None:
    """Encryption keys are one key or a list in its order, as text or bytes."""
    one, two = Fernet.generate_key(), Fernet.generate_key()
    assert read({"STREAMEND_ENCRYPTION_KEYS": one}).encryption_keys == (one.decode(),)
    found = read({"STREAMEND_ENCRYPTION_KEYS": [two.decode(), one]}).encryption_keys
    assert found == (two.decode(), one.decode())


def test_the_environment_is_a_fall_back() -> None:
    """FRONTEND_URL and WEBSOCKET_PORT come from the environment where the config has none."""
    environ = {"FRONTEND_URL": "https://env.example.org", "WEBSOCKET_PORT": "9000"}
    settings = read({}, **environ)
    assert (settings.frontend_url, settings.websocket_port) == ("https://env.example.org", 9000)
    config = {"FRONTEND_URL": "https://config.example.org", "WEBSOCKET_PORT": 9001}
    settings = read(config, **environ)
    assert (settings.frontend_url, settings.websocket_port) == ("https://config.example.org", 9001)
    settings = read({}, FRONTEND_URL="", WEBSOCKET_PORT="")
    assert (settings.frontend_url, settings.websocket_port) == ("http://localhost:8081", 8081)


@pytest.mark.parametrize(
    ("key", "value"),
    [("FRONTEND_URL", "example.org"), ("WEBSOCKET_PORT", "web"), ("REDIS_URL", "localhost")],
)
def test_a_bad_value_in_the_environment_stops(key: str, value: str) -> None:
    """A value from the environment is checked as one from the config is."""
    with pytest.raises(ConfigurationError, match=f"^{key} is "):
        read({}, **{key: value})


@pytest.mark.parametrize(
    ("config", "environ", "expected"),
    [
        ({}, {}, "redis://localhost:6379"),
        ({}, {"REDIS_HOST": "e"}, "redis://e:6379"),
        ({}, {"REDIS_PORT": "6380"}, "redis://localhost:6380"),
        ({}, {"REDIS_HOST": "::1", "REDIS_PORT": "6380"}, "redis://[::1]:6380"),
        ({"REDIS_HOST": "c"}, {"REDIS_HOST": "e", "REDIS_PORT": "6380"}, "redis://c:6380"),
        ({"REDIS_HOST": "c"}, {"REDIS_URL": "redis://e/1"}, "redis://e/1"),
        ({"REDIS_URL": "redis://c/1"}, {"REDIS_URL": "redis://e/1"}, "redis://c/1"),
        ({"STREAMEND_REDIS_URL": "redis://s"}, {"REDIS_URL": "redis://e"}, "redis://s"),
        (
            {"STREAMEND_REDIS_URL": "redis://s", "REDIS_URL": "redis://c", "REDIS_HOST": "c"},
            {},
            "redis://s",
        ),
        ({"STREAMEND_REDIS_URL": "unix:///run/redis.sock"}, {}, "unix:///run/redis.sock"),
    ],
)
def test_where_the_store_is(config: dict[str, Any], environ: dict[str, str], expected: str) -> None:
    """STREAMEND_REDIS_URL goes before REDIS_URL, that before REDIS_HOST and REDIS_PORT."""
    assert read(config, **environ).redis_url == expected


def test_only_the_keys_marked_so_come_from_the_environment() -> None:
    """No STREAMEND_ key is read from the environment."""
    settings = read({}, STREAMEND_DELAY="5", STREAMEND_REDIS_URL="redis://e", STREAMEND_QUEUE="e")
    assert settings == Settings()


def test_an_unknown_key_warns_and_names_the_nearest(caplog: pytest.LogCaptureFixture) -> None:
    """A misspelt STREAMEND_ key is a warning with the key that was probably meant."""
    with caplog.at_level(logging.WARNING, "flask_streamend"):
        read({"STREAMEND_DELEY": 5, "STREAMENDING": 5, "DELAY": 5})
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "Unknown setting STREAMEND_DELEY; did you mean STREAMEND_DELAY?"


def test_known_keys_do_not_warn(caplog: pytest.LogCaptureFixture) -> None:
    """No known key is warned of."""
    read({key: value for key, value in DEFAULTS.items() if value not in (None, ())})
    assert caplog.records == []
    assert set(known_keys()) >= {key for key in DEFAULTS if key.startswith("STREAMEND_")}
