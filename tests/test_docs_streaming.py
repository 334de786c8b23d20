"""What docs/streaming-servers.md has for SRS and MediaMTX, run as they do, against a real site.

SRS posts JSON to each address of its ``http_hooks``:
https://ossrs.io/lts/en-us/docs/v6/doc/http-callback (Protocol). MediaMTX splits a command as a
shell does, puts its variables into each word, and runs it without a shell:
https://mediamtx.org/docs/features/hooks, and its internal/externalcmd (cmd_os.go, cmd.go).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
import yaml
from flask import Flask

from flask_streamend import EventStatus, StreamEnd
from flask_streamend.hooks.servers import servers

from .apps.pages import ROOT, blocks, marked
from .conftest import missing
from .ground import Ground
from .servers import PATIENCE, Site

PAGE = ROOT / "docs" / "streaming-servers.md"
SHOWN = "http://localhost:8000"
TOKEN = "hook-secret"
#: A path as MediaMTX allows them; and what it is an event of.
PATH, EVENT = "live/jam_1.a-b", "live:jam_1.a-b"


@pytest.fixture(scope="module")
def site(ground: Ground) -> Site:
    """Return a site whose events end by their publishers, in a long while."""
    if not shutil.which("curl"):
        missing("curl", "apt-get install curl")
    return ground.site(
        STREAMEND_HOOK_TOKEN=TOKEN, STREAMEND_END_ON="publisher", STREAMEND_DELAY=600
    )


def here(site: Site, text: str) -> str:
    """Return what is shown, with the site's address and token in it."""
    assert SHOWN in text
    assert "TOKEN" in text
    return text.replace(SHOWN, f"http://127.0.0.1:{site.port}").replace("TOKEN", TOKEN)


def stands(ground: Ground, event: str) -> tuple[str, int]:
    """Return an event's state and its viewers."""
    status: EventStatus = ground.status(event)
    return status.state, status.clients


def test_each_address_in_a_configuration_is_a_route() -> None:
    """Of a server that is known, with the token; none is shown that nobody would answer."""
    app = Flask("shown")
    app.config.update(SECRET_KEY="s", STREAMEND_REDIS_URL="memory://", STREAMEND_HOOK_TOKEN=TOKEN)
    StreamEnd(app)
    shown = [b.body for b in blocks("nginx", "yaml") if b.page == PAGE]
    found = {address for body in shown for address in re.findall(rf"{SHOWN}/[^\s;]+", body)}
    assert len(found) == len(servers())
    for address in found:
        path, query = urlsplit(address).path, urlsplit(address).query.replace("TOKEN", TOKEN)
        answer = app.test_client().post(f"{path}?{query}", data=b"{}")
        assert answer.status_code in (200, 204, 400), (address, answer.text)


def by_shell(command: str, given: dict[str, str]) -> list[str]:
    """Return what runs a command by a shell."""
    return ["sh", "-c", command]


def by_mediamtx(command: str, given: dict[str, str]) -> list[str]:
    """Return a command's words as MediaMTX has them; `&` is no sign of a shell's there."""
    named = command.replace("token=", "server=east&token=")
    return [re.sub(r"\$(\w+)", lambda name: given[name[1]], word) for word in shlex.split(named)]


@pytest.mark.parametrize("runs", [by_shell, by_mediamtx])
def test_mediamtx_s_commands_call(
    site: Site, ground: Ground, runs: Callable[[str, dict[str, str]], list[str]]
) -> None:
    """A stream goes online, is read and left, and goes offline, by curl as it is shown."""
    defaults = yaml.safe_load(marked(PAGE, "file", "mediamtx.yml").body)["pathDefaults"]
    path, event = f"{PATH}-{runs.__name__}", f"{EVENT}-{runs.__name__}"
    given = {"MTX_PATH": path, "MTX_READER_TYPE": "webRTCSession", "MTX_READER_ID": "7a1c-4d"}
    states = [
        *(("runOnOnline", ("live", 0)), ("runOnRead", ("live", 1)), ("runOnRead", ("live", 1))),
        *(("runOnUnread", ("live", 0)), ("runOnOffline", ("ending", 0))),
    ]
    assert {hook for hook, _ in states} == set(defaults)
    for hook, state in states:
        done = subprocess.run(
            runs(here(site, defaults[hook]), given),
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), hook
        assert stands(ground, event) == state, hook


def test_srs_s_callbacks_call(site: Site, ground: Ground) -> None:
    """Each directive's address takes what SRS posts for it, and answers as it wants."""
    shown = here(site, marked(PAGE, "file", "srs.conf").body)
    hooks = dict(re.findall(r"^\s*(on_\w+) (\S+);$", shown, re.MULTILINE))
    states = [
        *(("on_publish", ("live", 0)), ("on_play", ("live", 1))),
        *(("on_stop", ("live", 0)), ("on_unpublish", ("ending", 0))),
    ]
    assert {hook for hook, _ in states} == set(hooks)
    for hook, state in states:
        body = {
            **{"server_id": "vid-0xk989d", "service_id": "4e6h3r1w", "action": hook},
            **{"client_id": "9308h583", "ip": "127.0.0.1"},
            **{"vhost": "__defaultVhost__", "app": "live", "stream": "srs-jam", "param": "?k=v"},
            **{"tcUrl": "rtmp://127.0.0.1:1935/live", "stream_url": "/live/srs-jam"},
            **{"stream_id": "vid-124q9y3"},
        }
        curl = ["curl", "-sS", "-m", "30", "-H", "Content-Type: application-json", "-d", "@-"]
        done = subprocess.run(
            [*curl, "-w", "%{http_code}", hooks[hook]],
            input=json.dumps(body),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert (done.returncode, done.stderr, done.stdout[-3:]) == (0, "", "200")
        assert json.loads(done.stdout[:-3])["code"] == 0
        assert stands(ground, "srs-jam") == state, hook
