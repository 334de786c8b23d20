"""The store in Redis with a clock of the test's own: the scripts as they are, but for the time."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from redis import Redis

from flask_streamend.store.redis import RedisStore
from flask_streamend.store.scripts import Scripts, answering, source

#: What is put in place of what looks at the server's clock, in every script.
_CLOCK = {
    "redis.call('TIME')": "{ARGV[#ARGV - 2], ARGV[#ARGV - 1]}",
    # A server that started when the store did.
    "math.max(0, 5000 - tonumber(info:match('uptime_in_seconds:(%d+)') or 5) * 1000)": (
        "math.max(0, tonumber(ARGV[#ARGV]) + 5000 - now)"
    ),
    # Keys that would expire by the server's clock hold the instant instead.
    "redis.call('SET', KEYS[12], '1', 'NX', 'PX', ARGV[7])": "mark(KEYS[12], tonumber(ARGV[7]))",
    "redis.call('SET', KEYS[13], '1', 'NX', 'PX', 2 * lease + 5000)": (
        "mark(KEYS[13], 2 * lease + 5000)"
    ),
    "redis.call('DEL', KEYS[13]) == 1": "not unmarked(KEYS[13])",
}
#: The end of what looks at the clock: from here on it is known what time it is.
_TOLD = "local after = math.ceil(time[1] * 1000 + time[2] / 1000)\n"
#: Keys expire by the server's clock, too: here each script first removes those whose time is up.
_EXPIRIES = """
for _, key in ipairs(redis.call('ZRANGEBYSCORE', 'expiries', '-inf', now)) do
  redis.call('DEL', key)
  redis.call('ZREM', 'expiries', key)
end
local function expire(key, ms)
  if redis.call('EXISTS', key) == 1 then redis.call('ZADD', 'expiries', now + ms, key) end
end
"""
_EXPIRE = re.compile(r"redis\.call\('PEXPIRE', (.*)\)$", re.MULTILINE)
_PERSIST = re.compile(r"redis\.call\('PERSIST', (.*)\)$", re.MULTILINE)
_MARKS = """
local function unmarked(key)
  local till = tonumber(redis.call('GET', key) or '0')
  redis.call('DEL', key)
  return till <= now
end
local function mark(key, ms)
  local till = tonumber(redis.call('GET', key) or '0')
  if till <= now then redis.call('SET', key, now + ms) end
  return till <= now
end
"""


@cache
def _source(name: str) -> str:
    text = source(name)
    for there, here in _CLOCK.items():
        text = text.replace(there, here)
    if "mark(" in text:
        text = text.replace(
            "local lease = tonumber(ARGV[2])", _MARKS + "local lease = tonumber(ARGV[2])", 1
        )
    text = _EXPIRE.sub(r"expire(\1)", text)
    text = _PERSIST.sub(r"redis.call('ZREM', 'expiries', \1)", text)
    text = text.replace(_TOLD, _TOLD + _EXPIRIES, 1)
    assert not re.search(r"'TIME'|'PEXPIRE'|'PERSIST'", text)
    return text


class _Scripts(Scripts):
    def __init__(self, redis: Redis, now: Callable[[], float]) -> None:
        super().__init__(redis)
        self._now = now
        self.started = 0

    def run(self, name: str, keys: list[str], *args: Any) -> Any:
        script = self._scripts.get(name)
        if script is None:
            script = self._scripts[name] = self._redis.register_script(_source(name))
        seconds, rest = divmod(self._now(), 1)
        when = (int(seconds), round(rest * 1_000_000), self.started)
        with answering():
            return script(keys=keys, args=[*args, *when])


class ClockedStore(RedisStore):
    """A store in Redis whose time is a test's.

    :param now: seconds since the epoch.
    """

    def __init__(self, redis: Redis, namespace: str, now: Callable[[], float]) -> None:
        super().__init__(redis, namespace)
        self._now = now
        self._scripts = _Scripts(redis, now)
        self._run = self._scripts.run

    def started(self) -> None:
        """Be one whose server starts now, and so may have been emptied by that."""
        self._scripts.started = int(self._now() * 1000)

    def next_try(self) -> int | None:
        """Return when something is ready, on the test's clock."""
        with answering():
            firsts = [
                self.redis.zrange(key, 0, 0, withscores=True)
                for key in (self.keys.due, self.keys.open)
            ]
        times = [int(first[0][1]) for first in firsts if first]
        return max(0, min(times) - int(self._now() * 1000)) if times else None
