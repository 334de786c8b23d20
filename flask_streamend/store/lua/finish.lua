-- End an event's session now, viewers or not: it is stopped (and becomes a delivery) or purged.
--
-- What holders have of it is removed; a holder that goes on reporting the session learns from
-- `over` that it was stopped, or purged and to be counted anew.
--
-- KEYS  1 holders  2 clients  3 sessions  4 due  5 stats  6 over  7 ledger  8 pulse  9 shared
--       10 open  11 pending  12 guests:EVENT  13 expiry  14 stragglers:EVENT
--       15 viewers  16 publishers:EVENT  17... held:HOLDER, of every holder, guests included
-- ARGV  1 event   2 "stopped" or "purged"   3 ms for which `over` remembers it
--       4 the context of the end's trace, where it has none yet; or ""
--       5 "1": only if its publisher stopped and its grace period is over
-- returns {}: there was no session, or it is not to end
--         {"again"}: holders came meanwhile whose keys were not given; nothing was done
--         {event, session, due, started, peak, clients, trace, unique viewers or -1}
--- include clock
--- include pulse
--- include bounds
--- include observe
--- include deliver
local event = ARGV[1]
-- Guests have no lease, so they are not among the holders.
if redis.call('ZCARD', KEYS[1]) + 1 > #KEYS - 16 then return {'again'} end
local packed = redis.call('HGET', KEYS[3], event)
if not packed then return {} end
local session = cjson.decode(packed)
local due = tonumber(redis.call('ZSCORE', KEYS[4], event) or math.huge)
if ARGV[5] == '1' then
  if due > now or not session.stopping then return {} end
  redis.call('HINCRBY', KEYS[5], 'grace_periods|ended', 1)
end
-- One that is over already, and could not be claimed yet, is over since then.
local ends = math.min(now, due)
local clients = 0
for i = 17, #KEYS do
  local count = redis.call('HGET', KEYS[i], event)
  if count then
    clients = clients + tonumber(count)
    redis.call('HDEL', KEYS[i], event)
  end
end
if clients > 0 then redis.call('HINCRBY', KEYS[5], 'clients', -clients) end
if ARGV[2] == 'stopped' and redis.call('EXISTS', KEYS[12]) == 1 then
  redis.call('RENAME', KEYS[12], KEYS[14])
  redis.call('PEXPIRE', KEYS[14], ARGV[3])
end
redis.call('DEL', KEYS[12])
if ARGV[2] == 'purged' then redis.call('DEL', KEYS[16]) end
local first = redis.call('ZRANGE', KEYS[16], 0, 0, 'WITHSCORES')
if first[2] then redis.call('ZADD', KEYS[13], first[2], event) else redis.call('ZREM', KEYS[13], event) end
redis.call('ZREM', KEYS[2], event)
redis.call('HDEL', KEYS[3], event)
redis.call('HDEL', KEYS[15], event)
redis.call('ZREM', KEYS[4], event)
redis.call('ZREM', KEYS[9], event)
redis.call('ZADD', KEYS[6], after, event .. ' ' .. session.id .. ' ' .. ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', now - tonumber(ARGV[3]))
redis.call('PEXPIRE', KEYS[6], ARGV[3])
if ARGV[2] == 'purged' then
  redis.call('HINCRBY', KEYS[5], 'sessions_purged', 1)
  return {event, session.id, now, session.started, session.peak, clients, '',
    session.unique or -1}
end
session.trace = session.trace or (ARGV[4] ~= '' and ARGV[4] or nil)
local gap = pulse('', 0, 0).gap
-- They were there until now. After an outage that is not sure before their process was heard.
if gap == 0 and clients > 0 then session.left = ends - (session.delay or 0) end
local ended = deliver(event, session, ends, clients, KEYS[10], KEYS[11])
-- After an outage a process may still have to say that it was told of this session.
if gap > 0 then redis.call('ZADD', KEYS[10], now + gap, session.id) end
return ended
