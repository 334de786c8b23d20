"""What every script and key has to keep: headers, one slot, known counters."""

from __future__ import annotations

import ast
import re
from importlib.resources import files
from pathlib import Path

import pytest
from redis import Redis
from redis.crc import key_slot

from flask_streamend.store.base import Outcome
from flask_streamend.store.histograms import HISTOGRAMS
from flask_streamend.store.keys import Keys
from flask_streamend.store.redis import RedisStore
from flask_streamend.store.scripts import source
from flask_streamend.store.totals import SETTLED
from flask_streamend.telemetry.names import COUNTERS
from flask_streamend.telemetry.names import HISTOGRAMS as METRICS

from .apps.store import LEASE, Web, end, take, texts

STORE = Path(str(files("flask_streamend.store")))
#: Where methods that run scripts are.
FILES = ("redis.py", "redis_ledger.py", "redis_facts.py")
#: Scripts that run by themselves; ``lib_`` files are parts that others include.
SCRIPTS = sorted(p.stem for p in (STORE / "lua").glob("*.lua") if not p.stem.startswith("lib_"))
#: Fields of ``stats`` that are no counter on the page: sums and tallies that the totals check.
OTHERS = {
    "clients",
    *(f"deliveries|{state}" for state in SETTLED),
    "deliveries_gone",
    "deliveries_made",
    "grace_periods|ended",
    "grace_periods|resumed",
    "sessions_begun",
    "sessions_ended",
    "sessions_purged",
}


def known_fields() -> set[str]:
    """Return every field of ``stats`` that the metrics' table or this file knows."""
    fields = {counter.field(*values) for counter in COUNTERS for values in counter.combinations()}
    for metric in METRICS:
        for values in metric.combinations():
            for part in (*map(str, HISTOGRAMS[metric.short]), "count", "sum"):
                fields.add(metric.field(*values, part))
    return fields | OTHERS


def text(script: str) -> str:
    """Return a script."""
    return (STORE / "lua" / f"{script}.lua").read_text(encoding="utf-8")


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_opens_with_what_it_does_takes_and_returns(script: str) -> None:
    """A header says what the script does, its KEYS and ARGV, and what it returns."""
    header = re.match(r"(?:--.*\n)+", text(script))
    assert header is not None
    lines = header.group().splitlines()
    assert re.match(r"-- [A-Z].*", lines[0])
    for word in ("KEYS  1", "ARGV  1", "returns "):
        assert [line for line in lines if line.startswith(f"-- {word}")], word


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_uses_what_its_header_names(script: str) -> None:
    """No index of KEYS or ARGV stands in a script, or in what it includes, but in its header."""
    whole = text(script)
    header = "".join(line for line in whole.splitlines(True) if line.startswith("-- "))
    body = source(script)
    for name in ("KEYS", "ARGV"):
        section = re.search(rf"-- {name}  (.*?)(?=-- ARGV|-- returns)", header, re.DOTALL)
        assert section is not None
        named = {int(n) for n in re.findall(r"(?<![\w-])(\d+)(?:\.\.\.)?\s+[\"\w]", section[1])}
        code = "\n".join(line.partition("--")[0] for line in body.splitlines())
        used = {int(number) for number in re.findall(rf"{name}\[(\d+)\]", code)}
        assert used <= named, name


def test_each_script_belongs_to_one_method() -> None:
    """Each script is run by exactly one method of the store, and no method runs a missing one."""
    texts = ((STORE / name).read_text(encoding="utf-8") for name in FILES)
    tree = ast.parse("\n".join(source.replace("from __future__", "#") for source in texts))
    used: dict[str, set[str]] = {}
    for method in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for node in ast.walk(method):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "self._run":
                used.setdefault(ast.literal_eval(node.args[0]), set()).add(method.name)
    assert sorted(used) == SCRIPTS
    assert {script: len(methods) for script, methods in used.items()} == dict.fromkeys(used, 1)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_builds_no_key_and_scans_none(script: str) -> None:
    """Every key a script touches was given to it, and time is Redis's own."""
    body = text(script)
    assert not re.search(r"'(KEYS|SCAN|RANDOMKEY|FLUSHALL|FLUSHDB)'", body)
    first = re.findall(r"redis\.call\('(\w+)'(?:, ([^,)]+))?", body)
    for command, key in first:
        given = re.fullmatch(r"KEYS\[(?:\d+|i|9 \+ i)\]|key", key)
        assert command == "TIME" or given, (command, key)


@pytest.mark.parametrize("namespace", ["streamend", "a", "shop:live", "x" * 64])
def test_the_keys_of_a_namespace_share_a_slot_and_a_prefix(namespace: str) -> None:
    """Every key begins with the namespace, and a cluster keeps them all in one slot."""
    keys = Keys(namespace)
    names = [*vars(keys).values(), keys.held("0a1b"), keys.held("guests"), keys.key("other")]
    names = [name for name in names if name != keys._prefix]
    assert all(name.startswith(f"{namespace}:") for name in names)
    assert len({key_slot(name.encode()) for name in names}) == 1
    assert len(set(names)) >= 11


def test_what_the_store_writes_is_under_its_namespace_with_known_counters(redis: Redis) -> None:
    """After every kind of outcome, each key has the prefix and each counter is known."""
    store = RedisStore(redis, "shop:live")
    Web(store, "keeper", 5000).set("live", 1)
    Web(store, "goer", 5000).visit("ending")
    end(store, "sent", "dead", "skipped", "failed", "postponed")
    for outcome in Outcome:
        delivery = take(store, "me").id
        assert store.sending(delivery, "me", LEASE)
        assert store.settle(delivery, "me", "email", outcome, "no_address", LEASE) >= 0
    names = texts(redis.keys("*"))
    assert len(names) >= 9
    assert all(name.startswith("shop:live:{shop:live}:") for name in names)
    fields = texts(redis.hkeys(store.keys.stats))
    assert fields - known_fields() == set()
    statuses = {f"notifications|email|{status}" for status in ("sent", "dead", "skipped", "failed")}
    assert statuses <= fields


def test_the_fields_in_the_scripts_are_known() -> None:
    """Every counter that a script names in full is known to the metrics' table or documented."""
    everything = "".join(path.read_text(encoding="utf-8") for path in (STORE / "lua").glob("*.lua"))
    named = re.findall(r"(?:'HINCRBY', [\w\[\]]+, |count\()'([^']+)'(?! \.\.)", everything)
    assert len(named) >= 5
    assert set(named) - known_fields() == set()


def test_two_namespaces_see_nothing_of_each_other(redis: Redis) -> None:
    """Two applications in one Redis have viewers, ends and deliveries of their own."""
    one, two = RedisStore(redis, "one"), RedisStore(redis, "two")
    Web(one, "a").set("jam", 1)
    end(one, "gig")
    assert (two.totals(10).clients, two.totals(10).live, two.claim(10)) == (0, 0, [])
    assert two.take("me", LEASE, 10) == []
    assert two.status(["jam"])[0].state == "idle"
