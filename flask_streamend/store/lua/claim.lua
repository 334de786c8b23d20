-- End the events whose time has come and which are still empty; each end becomes a delivery.
--
-- An event that somebody came back to has left `due` (lib_apply.lua), so what is found there is
-- empty. The session is over with this: a viewer who comes later begins another.
--
-- KEYS  1 holders  2 clients  3 sessions  4 due  5 stats  6 over  7 ledger  8 pulse  9 shared
--       10 open  11 pending  12 viewers
-- ARGV  1 how many at the most
-- returns {{event, session, due, started, peak, clients, trace, unique viewers or -1}, ...}; none in a gap or a hold
--- include clock
--- include pulse
--- include bounds
--- include observe
--- include deliver
local state = pulse('', 0, 0)
if state.gap > 0 or state.hold > 0 then return {} end
local ended = {}
local ready = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'WITHSCORES', 'LIMIT', 0, tonumber(ARGV[1]))
for i = 1, #ready, 2 do
  local event, due = ready[i], tonumber(ready[i + 1])
  local packed = redis.call('HGET', KEYS[3], event)
  -- A Redis that evicts keys may have dropped the session; its end is told all the same.
  local session = packed and cjson.decode(packed)
    or {id = string.format('%s-%.0f', redis.sha1hex(event):sub(1, 16), due), started = due, peak = 0}
  redis.call('ZREM', KEYS[4], event)
  redis.call('ZREM', KEYS[2], event)
  redis.call('ZREM', KEYS[9], event)
  redis.call('HDEL', KEYS[3], event)
  redis.call('HDEL', KEYS[12], event)
  redis.call('HINCRBY', KEYS[5], 'grace_periods|ended', 1)
  ended[#ended + 1] = deliver(event, session, due, 0, KEYS[10], KEYS[11])
end
return ended
