"""Event ids, events, preferences and statuses: the values that go in and out."""

from __future__ import annotations

import json
import string
from typing import Any
from uuid import UUID

import pytest

from flask_streamend import Event, EventIdError, EventStatus, Preferences, StreamEndError
from flask_streamend.event import check_event_id

ALLOWED = string.ascii_letters + string.digits + "._:@~-"


@pytest.mark.parametrize("character", ALLOWED)
def test_every_allowed_character_may_stand_in_an_id(character: str) -> None:
    """A letter, a digit or one of ``. _ : @ ~ -`` may begin, fill and end an event id."""
    event_id = f"{character}a{character}"
    assert check_event_id(event_id) == event_id


def test_no_other_ascii_character_may_stand_in_an_id() -> None:
    """Of ASCII's 128 characters exactly the 68 of the contract are allowed."""
    found = set()
    for number in range(128):
        try:
            found.add(check_event_id(f"a{chr(number)}b")[1])
        except EventIdError:
            continue
    assert found == set(ALLOWED)
    assert len(found) == 68


@pytest.mark.parametrize(
    "event_id",
    [
        ".",
        "..",
        "_other",
        "",
        "a" * 129,
        "jam\n",
        "jäm",
        "٣",
        "jam\x00",
        "\uff4aam",
        b"jam",
        5,
        None,
    ],
)
def test_an_id_that_cannot_be_one_is_refused(event_id: Any) -> None:
    """Reserved, empty, too long, not ASCII or not text: the error shows it and says what may be."""
    with pytest.raises(EventIdError, match="expected 1 to 128 characters of A-Z a-z 0-9") as caught:
        check_event_id(event_id)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, StreamEndError)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("event_id", ["...", ".a", "_Other", "other", "a" * 128, "0"])
def test_an_id_near_a_reserved_one_is_let_in(event_id: str) -> None:
    """Only ``.``, ``..`` and ``_other`` are reserved, and 128 characters are not too long."""
    assert check_event_id(event_id) == event_id


@pytest.mark.parametrize("key", [7, UUID("1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed")])
def test_a_primary_key_becomes_text(key: Any) -> None:
    """A number or a UUID may be given as it is."""
    event = Event(key, "n", key, "h@example.org")
    assert (event.id, event.host_id) == (str(key), str(key))


def test_an_event_checks_its_id() -> None:
    """An event with an id that can't be one is not made."""
    with pytest.raises(EventIdError):
        Event("not an id", "n", "h", "h@example.org")


@pytest.mark.parametrize("delay", [-1, -0.001, 86_400.5, float("nan"), float("inf"), "5", True])
def test_a_delay_outside_its_limits_is_refused(delay: Any) -> None:
    """A grace period is a number from 0 to 86,400 seconds, for an event and for a host."""
    with pytest.raises(ValueError, match=r"Event\.delay is .*: expected a number of seconds"):
        Event("jam", "n", "h", None, delay=delay)
    with pytest.raises(ValueError, match=r"Preferences\.delay is .*: expected a number of seconds"):
        Preferences(delay=delay)


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"channels": "email"}, "Preferences.channels is 'email': expected a tuple of channels'"),
        ({"channels": None}, "Preferences.channels is None: expected a tuple"),
        ({"channels": ("email", 7)}, "Preferences.channels is ('email', 7): expected a tuple"),
        ({"channels": ("E-mail",)}, "each 1 to 32 of a-z 0-9 _ -"),
        ({"channels": ("mailto:you@example.org",)}, "each 1 to 32 of a-z 0-9 _ -"),
        ({"channels": ("x" * 33,)}, "each 1 to 32"),
        ({"channels": ("email", "email")}, "expected each name once"),
        ({"muted": "no"}, "Preferences.muted is 'no': expected True or False"),
        ({"digest": 0}, "Preferences.digest is 0: expected a number of seconds over 0"),
        ({"digest": True}, "Preferences.digest is True"),
        ({"digest": "60"}, "Preferences.digest is '60'"),
        ({"digest": 604_801}, "up to 604,800, or None"),
        ({"digest": float("nan")}, "Preferences.digest is nan"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(wishes: dict[str, Any], words: str) -> None:
    """The error names the option, shows what it is and says what was expected."""
    with pytest.raises(ValueError, match="Preferences") as caught:
        Preferences(**wishes)
    assert words in str(caught.value)


def test_a_list_of_channels_will_do() -> None:
    """JSON has no tuples: a list of names is taken as one."""
    wishes: Any = {"channels": ["email", "hook"], "digest": 604_800, "muted": False}
    assert Preferences(**wishes).channels == ("email", "hook")


@pytest.mark.parametrize(
    ("own", "hosts", "expected"),
    [
        (None, None, 30.0),
        (None, Preferences(), 30.0),
        (None, Preferences(delay=60), 60),
        (5, Preferences(delay=60), 5),
        (0, Preferences(delay=60), 0),
        (None, Preferences(delay=0), 0),
        (86_400, None, 86_400),
    ],
)
def test_the_grace_period_is_the_events_then_the_hosts(
    own: float | None, hosts: Preferences | None, expected: float
) -> None:
    """An event's own delay goes before its host's, that before the default; 0 is a delay."""
    event = Event("jam", "n", "h", None, delay=own, preferences=hosts)
    assert event.grace(30.0) == expected


def test_an_event_cannot_be_changed() -> None:
    """An event is shared between threads, so it is frozen."""
    event = Event("jam", "n", "h", None)
    with pytest.raises(AttributeError):
        event.name = "other"  # type: ignore[misc]


def test_a_status_is_the_apis_json() -> None:
    """A status as JSON has exactly the contract's members."""
    status = EventStatus("jam", "ending", 0, "s1", 1700000000.5, 1700000030.5, 3, 40)
    assert json.loads(json.dumps(status.to_dict())) == {
        "event_id": "jam",
        "state": "ending",
        "clients": 0,
        "session": "s1",
        "started_at": 1700000000.5,
        "due_at": 1700000030.5,
        "peak": 3,
        "unique_viewers": 40,
    }


def test_an_idle_status_holds_nothing_of_a_session() -> None:
    """An event that nobody watches has no session, no times and no viewers."""
    assert EventStatus("jam", "idle").to_dict() == {
        "event_id": "jam",
        "state": "idle",
        "clients": 0,
        "session": None,
        "started_at": None,
        "due_at": None,
        "peak": 0,
        "unique_viewers": None,
    }
