"""No name, address, link or viewer is shown, wherever one looks, in any stage of an end's life."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import pickle
import re
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .apps.words import ADDRESS, FRONTEND, NAME, VIEWERS, WORDS
from .collector import END, NOTIFY, SEND, Collector
from .ground import Ground
from .servers import Process, Site, eventually
from .smtp import Inbox, Server

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


class Gate(Inbox):
    """A mail server that lets a message wait, then takes or refuses it as it is told.

    A refusal repeats the address, the subject as it came, and the link.
    """

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.waiting = threading.Event()
        self.answer = "250 OK"
        self.port = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Wait at the gate; then keep the message, or refuse it."""
        self.waiting.set()
        while not self.open.is_set():
            await asyncio.sleep(0.02)
        self.open.clear()
        self.waiting.clear()
        if self.answer.startswith("250"):
            await super().handle_DATA(server, session, envelope)
            return self.answer
        subject = re.search(rb"^Subject:((?:.*\r\n[ \t])*.*)", envelope.content, re.MULTILINE)
        assert subject is not None
        link = f"{FRONTEND}/events/{'x' * 8}"
        return f"{self.answer} <{ADDRESS}>: {' '.join(subject[1].decode().split())} at {link}"

    def say(self, answer: str) -> None:
        """Answer the message that waits."""
        self.answer = answer
        self.open.set()


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    """Return a mail server that waits."""
    gate = Gate()
    server = Server(gate)
    gate.port = server.port
    server.start()
    yield gate
    gate.open.set()
    server.stop()


@pytest.fixture(scope="module")
def site(ground: Ground, collector: Collector, gate: Gate) -> Site:
    """Return a site whose grace periods end when a test says so."""
    return ground.site(
        app="private",
        env=collector.env,
        FRONTEND_URL=FRONTEND,
        STREAMEND_TRACING=True,
        STREAMEND_DELAY=3600,
        STREAMEND_RETRY_BACKOFF=0.1,
        STREAMEND_MAIL_TIMEOUT=60,
        STREAMEND_NOTICE_FIGURES=True,
        MAIL_PORT=gate.port,
    )


def decoded(value: bytes, depth: int = 4) -> Iterator[str]:
    """Yield a value as it is, and as everything that RQ or this package may have made of it."""
    yield value.decode("utf-8", "backslashreplace")
    if not depth:
        return
    for decode in (zlib.decompress, _base64, _unpickled, _from_json):
        try:
            inner = decode(value)
        except Exception:  # noqa: BLE001 - it is none of these, then
            continue
        if inner != value:
            yield from decoded(inner, depth - 1)


def _base64(value: bytes) -> bytes:
    if not re.fullmatch(rb"[A-Za-z0-9+/_=-]{16,}", value):
        raise binascii.Error
    return base64.b64decode(value, altchars=b"-_" if {45, 95} & set(value) else None)


def _unpickled(value: bytes) -> bytes:
    return repr(pickle.loads(value)).encode()


def _from_json(value: bytes) -> bytes:
    # As it reads, without its escapes.
    return json.dumps(json.loads(value), ensure_ascii=False).encode()


def values(client: Any, key: bytes) -> Iterator[bytes]:
    """Yield a key's name and every value in it."""
    yield key
    kind = client.type(key).decode()
    if kind == "string":
        yield client.get(key) or b""
    elif kind == "hash":
        yield from (part for item in client.hgetall(key).items() for part in item)
    elif kind == "list":
        yield from client.lrange(key, 0, -1)
    elif kind == "set":
        yield from client.smembers(key)
    elif kind == "zset":
        yield from client.zrange(key, 0, -1)
    elif kind == "stream":
        for _, fields in client.xrange(key):
            yield from (part for item in fields.items() for part in item)


class Everywhere:
    """All places where something could be read, at one moment."""

    def __init__(self, ground: Ground, site: Site, collector: Collector) -> None:
        self._ground = ground
        self._site = site
        self._collector = collector

    def look(self) -> dict[str, str]:
        """Return what is there, by place."""
        port = self._site.port
        client: Any = self._ground.redis
        found = {
            f"redis: {key.decode()}": "\n".join(
                text for value in values(client, key) for text in decoded(value)
            )
            for key in client.keys("*")
        }
        for log in self._ground.folder.glob("*.log"):
            found[f"log: {log.name}"] = log.read_text(errors="backslashreplace")
        for kind in ("text/plain", OPEN_METRICS):
            curl = ["curl", "-sS", "-H", f"Accept: {kind}", f"http://127.0.0.1:{port}/metrics"]
            found[f"metrics: {kind}"] = subprocess.check_output(curl, text=True)
        found["health"] = self._site.get("/health")[1]
        url = ["--url", self._ground.redis_url]
        rq = [sys.executable, "-m", "rq.cli", "info", *url]
        found["rq info"] = subprocess.check_output(rq, text=True)
        found["spans"] = b"".join(self._collector.raw).decode("utf-8", "backslashreplace")
        return found

    def check(self, stage: str, *must: str) -> None:
        """Check that nothing is shown anywhere.

        :param must: places that are there in this stage: else nothing was looked at.
        """
        found = self.look()
        for place in must:
            assert any(place in name for name in found), (stage, place, sorted(found))
        for place, text in found.items():
            for word in WORDS:
                at = text.lower().find(word)
                assert at < 0, (stage, place, text[max(0, at - 200) : at + 100])


@pytest.fixture
def everywhere(ground: Ground, site: Site, collector: Collector) -> Everywhere:
    """Return where to look."""
    return Everywhere(ground, site, collector)


def watch(ground: Ground, site: Site, event_id: str) -> None:
    """Have viewers come and go, each named in another way; the grace period runs."""
    token = site.get(f"/join-token/{event_id}")[1]
    viewers = [site.watch(event_id), site.watch(f"{event_id}?token={token}")]
    site.get(f"/guest/join/{event_id}/{VIEWERS[2]}")
    ground.wait(event_id, "live", 3)
    for viewer in viewers:
        viewer.close()
    ground.wait(event_id, "live", 1)


def state_of(ground: Ground, event_id: str) -> str:
    """Return the state of an event's delivery."""
    return next((r.state for r in ground.store.records(50) if r.event_id == event_id), "")


def reached(ground: Ground, event_id: str, state: str, worker: Process | None = None) -> None:
    """Wait until an event's delivery is in a state."""
    said = "" if worker is None else worker.output()
    eventually(lambda: state_of(ground, event_id) == state, f"{event_id} is {state}: {said}")


def test_the_words_would_be_found(ground: Ground, tmp_path: Path) -> None:
    """What is looked for is found where it is: as RQ stores it, in JSON, and in a log."""
    packed = zlib.compress(pickle.dumps(("ring", None, [NAME], {"to": ADDRESS})))
    assert any("walfischer" in text for text in decoded(packed))
    result = base64.b64encode(zlib.compress(b"Traceback: leitstand"))
    assert any("leitstand" in text for text in decoded(result))
    assert any("Söhne" in text for text in decoded(json.dumps(["Söhne"]).encode()))


def test_nothing_is_shown_in_any_stage(
    ground: Ground, site: Site, gate: Gate, everywhere: Everywhere, collector: Collector
) -> None:
    """Live, ending, claimed, sending, retrying, sent: and a mail server that tells all it knows."""
    watch(ground, site, "deep-1")
    assert ground.status("deep-1").unique_viewers == 3
    everywhere.check("live", "}:sessions", "}:viewers", "}:guests:deep-1", "site-")
    site.get(f"/guest/leave/deep-1/{VIEWERS[2]}")
    ground.wait("deep-1", "ending")
    eventually(lambda: ground.redis.keys("rq:job:*"), "an alarm is set")
    everywhere.check("ending", "}:due", "rq:job:", "rq:scheduled:")
    site.get("/schedule/deep-1?delay=0")
    eventually(lambda: ground.store.claim(10), "it is claimed")
    everywhere.check("claimed", "}:ledger", "}:owed:pending", "rq:job:")
    worker = ground.worker(site)
    eventually(gate.waiting.is_set, lambda: f"it is being sent: {worker.output()}")
    everywhere.check("sending", "}:owed:sending", "rq:worker:", "worker-")
    ground.store.hold(3_600_000)
    gate.say("451 4.7.1")
    reached(ground, "deep-1", "retrying", worker)
    eventually(lambda: "Failed to send" in worker.output(), "it is logged")
    everywhere.check("retrying", "}:owed:retrying")
    ground.store.hold(0)
    eventually(gate.waiting.is_set, lambda: f"it is tried again: {worker.output()}")
    gate.say("250 OK")
    reached(ground, "deep-1", "sent", worker)
    collector.wait("deep-1", END, NOTIFY, SEND, NOTIFY, SEND)
    everywhere.check("sent", "}:closed", "spans")
    assert gate.raw[-1].count(FRONTEND.encode()) >= 2
    assert gate.recipients == [ADDRESS]
    watch(ground, site, "encoded")
    site.get(f"/guest/leave/encoded/{VIEWERS[2]}")
    ground.wait("encoded", "ending")
    site.get("/schedule/encoded?delay=0")
    eventually(gate.waiting.is_set, lambda: f"it is being sent: {worker.output()}")
    gate.say("554 5.7.1")
    reached(ground, "encoded", "dead", worker)
    everywhere.check("dead", "}:closed")
