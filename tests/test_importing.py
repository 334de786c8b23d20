"""What importing the package and making an application do, and what they leave alone."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import flask_streamend
from flask_streamend import StreamEndError


def run(program: str, *args: str) -> str:
    """Run a program in a Python of its own and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", program, *args],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def python(program: str, *args: str) -> Any:
    """Run a program in a Python of its own and return what it printed as JSON."""
    return json.loads(run(program, *args))


def test_a_method_of_flask_s_own_is_not_replaced() -> None:
    """Where Flask has a ``register_extension``, importing the package leaves it."""
    program = (
        "import json\nfrom flask import Flask\n"
        "Flask.register_extension = lambda self, ext: 'theirs'\n"
        "import flask_streamend\n"
        "print(json.dumps(Flask('a').register_extension(None)))"
    )
    assert python(program) == "theirs"


def test_importing_is_light() -> None:
    """The import brings in nothing of Redis, RQ, mail or metrics that Flask does not."""
    program = (
        "import json, sys, flask\nbefore = set(sys.modules)\n"
        "import flask_streamend\nfrom flask_streamend import Event, StreamEndError\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    loaded = python(program)
    assert "flask_streamend" in loaded
    heavy = {"redis", "rq", "smtplib", "ssl", "prometheus_client", "flask_mail", "cryptography"}
    heavy |= {"urllib3", "standardwebhooks", "apprise"}
    assert [name for name in loaded if name.partition(".")[0] in heavy] == []


def test_a_channel_s_libraries_come_with_the_channel() -> None:
    """An application that mails loads neither Apprise nor what signs and sends webhooks."""
    program = (
        "import json, sys\nfrom flask import Flask\nfrom flask_streamend import StreamEnd\n"
        "app = Flask('light')\n"
        "app.config.update(STREAMEND_REDIS_URL='memory://', MAIL_DEFAULT_SENDER='a@example.org')\n"
        "StreamEnd(app)\nprint(json.dumps(sorted(sys.modules)))"
    )
    loaded = {name.partition(".")[0] for name in python(program)}
    assert "flask_mail" in loaded
    assert loaded.isdisjoint({"urllib3", "standardwebhooks", "apprise"})


def test_testing_needs_no_pytest() -> None:
    """What an application's own tests are given can be used without pytest; its fixture can't."""
    program = (
        "import json, sys\nimport flask_streamend.testing\nprint(json.dumps(sorted(sys.modules)))"
    )
    assert "pytest" not in python(program)


def test_the_public_names_are_complete_sorted_and_there() -> None:
    """Each name of ``__all__`` can be imported in a fresh Python, and ``__all__`` has them all."""
    names = flask_streamend.__all__
    assert names == sorted(names)
    program = (
        "import json, sys\nfrom flask_streamend import *\n"
        "found = globals()\nprint(json.dumps([n for n in sys.argv[1:] if n in found]))"
    )
    assert python(program, *names) == names
    assert set(names) <= set(dir(flask_streamend))
    errors: list[type[StreamEndError]] = [StreamEndError, *StreamEndError.__subclasses__()]
    assert {error.__name__ for error in errors} <= set(names)
    assert {"StreamEnd", "Event", "Preferences", "EventStatus", "Notice"} <= set(names)
    assert {"PermanentError", "MailChannel", "__version__"} <= set(names)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        flask_streamend.nonsense  # noqa: B018


def test_every_name_comes_alone() -> None:
    """``from flask_streamend import X`` works for each X as the first import of a process."""
    program = (
        "import json, os, sys\nfailed = []\nfor name in sys.argv[1:]:\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        try:\n            exec(f'from flask_streamend import {name}')\n"
        "        except BaseException:\n            os._exit(1)\n"
        "        os._exit(0)\n"
        "    if os.waitpid(pid, 0)[1]:\n        failed.append(name)\n"
        "print(json.dumps(failed))"
    )
    assert python(program, *flask_streamend.__all__) == []


def test_no_thread_starts_before_the_first_request() -> None:
    """Making an application starts no thread; its first request starts one, the second none."""
    program = (
        "import json, threading\nfrom tests.apps.local import make_app\n"
        "def names():\n    return sorted(t.name for t in threading.enumerate())\n"
        "app = make_app()\nfound = [names()]\nclient = app.test_client()\n"
        "for _ in range(2):\n    client.get('/ws/not%20an%20id')\n    found.append(names())\n"
        "print(json.dumps(found))"
    )
    keeper = ["MainThread", "flask_streamend.keeper"]
    assert python(program) == [["MainThread"], keeper, keeper]


FORK = """\
import json, os, sys
from tests.apps.local import make_app, state

app = make_app(sys.argv[1])
streamend, parts = state(app).extension, state(app)
with app.app_context(), streamend.viewing("jam"):
    parts.flush()
    app.test_client().get("/ws/not%20an%20id")
    before = parts.presence.holder
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            found = {"holder": parts.presence.holder, "keeper": parts.keeper.started}
            with streamend.viewing("jam"):
                found["both"] = streamend.event_clients("jam")
            found["one"] = streamend.event_clients("jam")
            parts.flush()
            os.write(w, json.dumps(found).encode())
        finally:
            os._exit(0)
    os.close(w)
    os.waitpid(pid, 0)
    parts.flush()
    found = json.loads(os.read(r, 10000))
    found["own"] = parts.presence.holder == before != found.pop("holder")
print(json.dumps(found))
"""


def test_a_fork_has_a_holder_of_its_own(redis_url: str) -> None:
    """After a fork the child counts its own viewers, beside its parent's and not instead."""
    assert python(FORK, redis_url) == {
        "keeper": False,
        "both": 2,
        "one": 1,
        "own": True,
    }


FORK_WITH_COUNTS = """\
import json, os, sys
from tests.apps.local import make_app, state

parts = state(make_app(sys.argv[1]))
parts.tally.error("hook")
pid = os.fork()
if pid == 0:
    try:
        parts.tally.error("queue")
        parts.flush()
    finally:
        os._exit(0)
os.waitpid(pid, 0)
parts.flush()
counters = parts.store.totals(0).counters
print(json.dumps([counters["errors|hook"], counters["errors|queue"]]))
"""


def test_a_fork_does_not_count_its_parent_s_errors_again(redis_url: str) -> None:
    """What a parent counted and has not written yet is written once, not by its child as well."""
    assert python(FORK_WITH_COUNTS, redis_url) == [1, 1]
