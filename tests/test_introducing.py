"""When a process says what it is: once, and again where the store may not know it."""

from __future__ import annotations

import json

import pytest

from flask_streamend.errors import StoreError
from flask_streamend.facts import Facts
from flask_streamend.introducing import Introduction

from .apps.local import make_app, state
from .ground import Ground
from .servers import eventually

FACTS = Facts("a server", "here", 1, 5.0, "", (), "", False)


def test_it_is_said_once_however_often_it_is_looked() -> None:
    """Neither a beat nor a viewer has it said again; only that the store may have forgotten."""
    known, told = [1], list[Facts]()
    introduction = Introduction(lambda: FACTS, lambda: known[0], told.append)
    for _ in range(100):
        introduction.tick()
    assert told == [FACTS]
    known[0] = 2
    for _ in range(100):
        introduction.tick()
    assert told == [FACTS, FACTS]


def test_it_waits_until_there_is_something_to_say_and_somebody_to_hear_it() -> None:
    """Not before the store knows the process, and not before its first request."""
    known, facts, told = [0], list[Facts](), list[Facts]()
    introduction = Introduction(
        lambda: facts[0] if facts else None, lambda: known[0] or None, told.append
    )
    introduction.tick()
    known[0] = 1
    introduction.tick()
    assert told == []
    facts.append(FACTS)
    introduction.tick()
    assert told == [FACTS]


def test_a_store_that_is_away_is_not_asked_with_every_beat() -> None:
    """What could not be said is said later, and its failure is nobody's."""
    tries = []

    def tell(facts: Facts) -> None:
        tries.append(facts)
        raise StoreError("away")

    introduction = Introduction(lambda: FACTS, lambda: 1, tell)
    for _ in range(100):
        introduction.tick()
    assert len(tries) == 1


def test_a_redis_that_was_emptied_is_told_again(ground: Ground) -> None:
    """The process says it anew, with the instant since when it is there."""
    app = make_app(ground.redis_url, STREAMEND_NAMESPACE="emptied", STREAMEND_LEASE=1)
    parts = state(app)
    app.test_client().get("/health")

    def said() -> Facts | None:
        living = parts.store.introduced()
        return Facts.unpack(living[0].facts) if living and living[0].facts else None

    first = eventually(said, "it said what it is")
    ground.redis.delete(*ground.redis.keys("emptied:*"))
    assert eventually(said, "it said so again") == first


def test_a_report_of_another_version_is_read_as_far_as_it_goes() -> None:
    """What a newer version says besides is left out; what can't be read at all is nothing."""
    packed = FACTS.pack()
    assert Facts.unpack(packed) == FACTS
    assert Facts.unpack(packed.replace("{", '{"more": 1, ', 1)) == FACTS
    for broken in ("", "[]", "{}", "no"):
        assert Facts.unpack(broken) is None


@pytest.mark.parametrize(
    "odd",
    [
        {"keys": 5},
        {"keys": "abc"},
        {"keys": [[]]},
        {"versions": []},
        {"versions": {"python": None}},
        {"since": "today"},
        {"host": None},
        {"room": "much"},
        {"files": []},
    ],
    ids=str,
)
def test_a_report_that_says_nonsense_is_not_read(odd: dict[str, object]) -> None:
    """A value of another type is not handed on to who shows, compares or adds it."""
    assert Facts.unpack(json.dumps({**json.loads(FACTS.pack()), **odd})) is None


def test_a_report_without_an_end_is_not_read() -> None:
    """JSON that nests deeper than Python reads is nonsense like any other."""
    assert Facts.unpack("[" * 100_000) is None
