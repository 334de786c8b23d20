-- End the events whose time has come and which are still empty; each end becomes a delivery.
--
-- An event that somebody came back to has left `due` (lib_apply.lua), so what is found there is
-- empty, save where the publisher stopped: those with viewers are named, for finish.lua to end. The
-- session is over with this: a viewer who comes later begins another.
--
-- KEYS  1 holders  2 clients  3 sessions  4 due  5 stats  6 over  7 ledger  8 pulse  9 shared
--       10 open  11 pending  12 viewers
-- ARGV  1 how many at the most   2 "1": that viewers left is no end; the session is dropped
-- returns {{{event, session, due, started, peak, clients, trace, unique viewers or -1}, ...},
--         {event to finish, ...}}; none
--         in a gap or a hold
--- include clock
--- include pulse
--- include bounds
--- include observe
--- include deliver
local state = pulse('', 0, 0)
if state.gap > 0 or state.hold > 0 then return {{}, {}} end
local ended, stopped = {}, {}
local ready = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'WITHSCORES', 'LIMIT', 0, tonumber(ARGV[1]))
for i = 1, #ready, 2 do
  local event, due = ready[i], tonumber(ready[i + 1])
  local packed = redis.call('HGET', KEYS[3], event)
  -- A Redis that evicts keys may have dropped the session; its end is told all the same.
  local session = packed and cjson.decode(packed)
    or {id = string.format('%s-%.0f', redis.sha1hex(event):sub(1, 16), due), started = due, peak = 0}
  if session.stopping and tonumber(redis.call('ZSCORE', KEYS[2], event) or '0') > 0 then
    stopped[#stopped + 1] = event
  else
    redis.call('ZREM', KEYS[4], event)
    redis.call('ZREM', KEYS[2], event)
    redis.call('ZREM', KEYS[9], event)
    redis.call('HDEL', KEYS[3], event)
    redis.call('HDEL', KEYS[12], event)
    if ARGV[2] == '1' and session.emptied and not session.stopping then
      redis.call('HINCRBY', KEYS[5], 'sessions_purged', 1)
    else
      redis.call('HINCRBY', KEYS[5], 'grace_periods|ended', 1)
      ended[#ended + 1] = deliver(event, session, due, 0, KEYS[10], KEYS[11])
    end
  end
end
return {ended, stopped}
