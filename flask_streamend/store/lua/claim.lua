-- End the events whose time has come and which are still empty; each end becomes a delivery.
--
-- An event that somebody came back to has left `due` (report.lua), so what is found there is empty.
-- The session is over with this: a viewer who comes later begins another.
--
-- KEYS  1 due   2 clients   3 sessions   4 ledger   5 open   6 owed   7 stats
-- ARGV  1 how many at the most
-- returns {{event, session, due, started, peak}, ...}
local time = redis.call('TIME')
local now = math.floor(time[1] * 1000 + time[2] / 1000)
local ended = {}
local ready = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, tonumber(ARGV[1]))
for i = 1, #ready, 2 do
  local event, due = ready[i], tonumber(ready[i + 1])
  local session = cjson.decode(redis.call('HGET', KEYS[3], event))
  redis.call('ZREM', KEYS[1], event)
  redis.call('ZREM', KEYS[2], event)
  redis.call('HDEL', KEYS[3], event)
  redis.call('HSET', KEYS[4], session.id, cjson.encode({
    event = event, session = session.id, due = due, started = session.started, peak = session.peak,
    state = 'pending', attempts = 0, channel = '', error = '',
  }))
  redis.call('ZADD', KEYS[5], now, session.id)
  redis.call('ZADD', KEYS[6], due, session.id)
  redis.call('HINCRBY', KEYS[7], 'grace_periods|ended', 1)
  redis.call('HINCRBY', KEYS[7], 'deliveries_made', 1)
  ended[#ended + 1] = {event, session.id, due, session.started, session.peak}
end
return ended
