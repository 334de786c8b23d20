"""What is logged: as JSON, with the ids of its event and trace, and no address in it."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from flask_streamend import signals
from flask_streamend.logs import JsonFormatter
from flask_streamend.telemetry.logs import error_text, log, mask

from .apps.local import make_app, state
from .apps.pages import ROOT, marked
from .test_importing import python, run


class Written:
    """A handler's stream.

    :param formatter: None: logging's own.
    """

    def __init__(self, formatter: logging.Formatter | None) -> None:
        self._stream = io.StringIO()
        self.handler = logging.StreamHandler(self._stream)
        self.handler.setFormatter(formatter)

    @property
    def text(self) -> str:
        """Return what was written."""
        return self._stream.getvalue()

    def records(self) -> list[dict[str, Any]]:
        """Return what was written, a record a line."""
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def plain() -> Iterator[Written]:
    """Return what a handler with logging's own formatter writes of this package's records."""
    yield from _written(None)


@pytest.fixture
def written() -> Iterator[Written]:
    """Return what a handler with our formatter writes of them."""
    yield from _written(JsonFormatter())


def _written(formatter: logging.Formatter | None) -> Iterator[Written]:
    found = Written(formatter)
    log.addHandler(found.handler)
    yield found
    log.removeHandler(found.handler)


@dataclass
class Host:
    """A value of an application's, with an address in it."""

    email: str


def test_a_record_is_one_line_of_json(written: Written) -> None:
    """Time, level, logger and message stand beside what the record was given as ``extra``."""
    log.warning("Event %s\nended", "jam", extra={"event_id": "jam", "delay": 0.5})
    (record,) = written.records()
    assert record.pop("time").endswith("+00:00")
    assert record == {
        "level": "WARNING",
        "logger": "flask_streamend",
        "message": "Event jam\nended",
        "event_id": "jam",
        "delay": 0.5,
    }


def test_addresses_are_masked_wherever_they_stand(written: Written) -> None:
    """In the message, in values however deep, in keys, objects, tracebacks and stacks."""
    extra = {
        "host": "host@example.org",
        "tried": [{"to": ("host@example.org",)}, {"host@example.org": 1}],
        "owner": Host("host@example.org"),
        "cause": LookupError("no host@example.org"),
    }
    try:
        raise ValueError("nobody called <host@example.org>")
    except ValueError:
        log.exception("Could not tell %s", "host@example.org", extra=extra, stack_info=True)
    (record,) = written.records()
    assert "host@" not in written.text
    assert record["message"] == "Could not tell h***@example.org"
    assert record["tried"] == [{"to": ["h***@example.org"]}, {"h***@example.org": 1}]
    assert record["owner"] == {"email": "h***@example.org"}
    assert record["exc_info"].endswith("ValueError: nobody called <h***@example.org>")


class Odd:
    """A value of an application's that can't be written."""

    def __str__(self) -> str:
        raise RuntimeError("not now")

    __repr__ = __str__


@dataclass
class Locked:
    """One that can't be copied either."""

    lock: Any


def _circle() -> dict[str, Any]:
    circle: dict[str, Any] = {}
    circle["itself"] = [circle]
    return circle


def _deep() -> list[Any]:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    return deep


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"550 host@example.org \xff", "550 h***@example.org \\xff"),
        (
            {b"host@example.org": 1, (1, 2): 2, None: 3},
            {"h***@example.org": 1, "<tuple>": 2, "null": 3},
        ),
        ("a file \udc80", "a file \\udc80"),
        ([float("nan"), float("-inf")], ["nan", "-inf"]),
        ([10**5000], ["a number of 16,610 bits"]),
        (Locked(threading.Lock()), "<Locked>"),
        (Locked(_circle()), "<Locked>"),
    ],
)
def test_a_value_that_json_cannot_hold_is_written_as_text(
    written: Written, value: Any, shown: Any
) -> None:
    """Bytes too, with addresses masked; what has no text is only named."""
    log.warning("odd", extra={"value": value})
    (record,) = written.records()
    assert record["value"] == shown


@pytest.mark.parametrize(
    "value", [_circle(), Odd(), [Odd()], _deep()], ids=["circle", "odd", "odds", "deep"]
)
def test_whatever_a_value_is_its_line_is_written(written: Written, value: Any) -> None:
    """One that holds itself, is nested without an end, or raises when it is asked for its text."""
    log.warning("odd", extra={"value": value, "event_id": "jam"})
    (record,) = written.records()
    assert (record["message"], record["event_id"]) == ("odd", "jam")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('"ann lee"@example.org is full', '"***@example.org is full'),
        ("550 ann@[127.0.0.1] is unknown", "550 a***@[127.0.0.1] is unknown"),
        ("GET /users?email=ann%40example.org failed", "GET *** failed"),
    ],
)
def test_an_address_is_masked_in_every_form(text: str, masked: str) -> None:
    """Quoted (RFC 5321, 4.1.2), at a host without a name, and encoded in a link."""
    assert mask(text) == masked


@pytest.mark.parametrize("part", ["x", "@", "x@", "x@[", '"', '"x', "x%40"])
def test_a_long_text_is_masked_in_a_time_that_grows_as_it_does(part: str) -> None:
    """A megabyte, such as a file in a value, takes a moment; by each start's own search, hours."""
    program = "import sys; from flask_streamend.telemetry.logs import mask; print(bool(mask({})))"
    assert run(program.format(f"sys.argv[1] * {1_000_000 // len(part)}"), part) == "True\n"


def test_a_traceback_of_ours_is_masked_for_any_handler(plain: Written) -> None:
    """Where an application logs as it likes, a traceback of this package shows no address."""

    def receive(sender: object, **_: Any) -> None:
        raise ValueError("nobody called host@example.org")

    app = make_app("memory://")
    with signals.event_ended.connected_to(receive, sender=app):
        state(app).observers.now(signals.event_ended, event_id="jam", session="5e55")
    assert "A receiver of the signal event-ended failed\nTraceback" in plain.text
    assert plain.text.endswith("ValueError: nobody called h***@example.org\n")


IN_A_SPAN = """\
import json, logging, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from flask_streamend.logs import JsonFormatter

handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(JsonFormatter())
logger = logging.getLogger("an application's")
logger.addHandler(handler)
logger.warning("No SDK is set up")
trace.set_tracer_provider(TracerProvider())
logger.warning("In no span")
with trace.get_tracer("tests").start_as_current_span("request") as span:
    logger.warning("In a span")
    context = span.get_span_context()
print(json.dumps([format(context.trace_id, "032x"), format(context.span_id, "016x")]))
"""


def test_a_record_carries_the_ids_of_its_span() -> None:
    """Our formatter names the trace and the span in which any logger's record was written."""
    done = run(IN_A_SPAN)
    off, outside, within, ids = (json.loads(line) for line in done.splitlines())
    assert [within["trace_id"], within["span_id"]] == ids
    assert {"trace_id", "span_id"}.isdisjoint(off | outside)


def test_python_json_logger_s_own_options_can_be_given() -> None:
    """What the formatter sets can be set otherwise, as in any python-json-logger's."""
    found = Written(JsonFormatter("%(message)s", timestamp=False, static_fields={"site": "live"}))
    logger = logging.getLogger("tests.logs")
    logger.addHandler(found.handler)
    logger.warning("ended", extra={"host": "host@example.org"})
    logger.removeHandler(found.handler)
    assert found.records() == [{"message": "ended", "site": "live", "host": "h***@example.org"}]


def test_the_documentation_s_configuration_works() -> None:
    """The example in docs/tracing.md logs a record of this package's as JSON."""
    example = marked(ROOT / "docs" / "tracing.md", "file", "logs.py").body
    program = example + (
        "import sys\nsys.stderr = sys.stdout\n"
        "logging.config.dictConfig(LOGGING)\n"
        "logging.getLogger('flask_streamend').info('host@example.org', extra={'event_id': 'jam'})\n"
    )
    record = python(program)
    assert record["message"] == "h***@example.org"
    assert (record["event_id"], record["level"]) == ("jam", "INFO")


def test_without_python_json_logger_the_cure_is_said() -> None:
    """Where it is not installed, the import says what to install."""
    program = (
        "import json, sys\nsys.modules['pythonjsonlogger'] = None\n"
        "sys.modules['pythonjsonlogger.json'] = None\n"
        "try:\n    import flask_streamend.logs\n"
        "except ImportError as error:\n    print(json.dumps(str(error)))\n"
    )
    assert python(program) == (
        "flask_streamend.logs needs python-json-logger: pip install 'flask-streamend[logs]'"
    )


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("no 'Event Stream Ended - Friday jam' here", "no 'Event Stream Ended - …' here"),
        ("no FRIDAY\r\n jam", "no …"),
        ("https://live.example.org/events/7 is spam", "…/events/7 is spam"),
        ("=?utf-8?q?Ended_-_Z=C3=BCrich?= is spam", "… is spam"),
        ("Friday jams are fine, 421 4.7.0 too", "Friday jams are fine, 421 4.7.0 too"),
    ],
)
def test_what_a_mail_server_repeats_is_masked(said: str, shown: str) -> None:
    """An event's name, a link, and a header that is encoded are not in an error's text."""
    private = ("Friday  jam", "https://live.example.org", "4")
    assert error_text(OSError(said), private) == f"OSError: {shown}"
