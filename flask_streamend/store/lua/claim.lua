-- End the events whose time has come and which are still empty; each end becomes a delivery.
--
-- An event that somebody came back to has left `due` (lib_apply.lua), so what is found there is
-- empty. The session is over with this: a viewer who comes later begins another.
--
-- KEYS  1 due   2 clients   3 sessions   4 ledger   5 open   6 owed   7 stats
-- ARGV  1 how many at the most
-- returns {{event, session, due, started, peak, clients}, ...}
--- include clock
--- include deliver
local ended = {}
local ready = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, tonumber(ARGV[1]))
for i = 1, #ready, 2 do
  local event, due = ready[i], tonumber(ready[i + 1])
  local packed = redis.call('HGET', KEYS[3], event)
  -- A Redis that evicts keys may have dropped the session; its end is told all the same.
  local session = packed and cjson.decode(packed)
    or {id = string.format('%s-%.0f', redis.sha1hex(event):sub(1, 16), due), started = due, peak = 0}
  redis.call('ZREM', KEYS[1], event)
  redis.call('ZREM', KEYS[2], event)
  redis.call('HDEL', KEYS[3], event)
  redis.call('HINCRBY', KEYS[7], 'grace_periods|ended', 1)
  ended[#ended + 1] = deliver(KEYS[4], KEYS[5], KEYS[6], KEYS[7], event, session, due, 0)
end
return ended
