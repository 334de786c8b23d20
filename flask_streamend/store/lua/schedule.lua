-- Look again after a delay, and end the event if nobody is there: no viewer need ever have come.
--
-- With viewers there nothing changes: the last leave starts the grace period.
--
-- KEYS  1 holders  2 clients  3 sessions  4 due  5 stats
-- ARGV  1 event   2 session to begin   3 delay in ms
--       4 the context of the end's trace, or ""
-- returns {now, {event, change, session, clients, due or "", started, peak, why it ends}}
--- include clock
local event, delay = ARGV[1], tonumber(ARGV[3])
local clients = tonumber(redis.call('ZSCORE', KEYS[2], event) or '0')
local packed = redis.call('HGET', KEYS[3], event)
local session = packed and cjson.decode(packed)
-- It is still its publisher's stop that ends it, if that began; else it is ordered now.
local why = session and (session.stopping and 'stopping' or (clients > 0 and session.emptied and 'emptied')) or ''
if clients > 0 then return {after, {event, 'none', session.id, clients, '', session.started, session.peak, why}} end
if not session then
  session = {id = ARGV[2], started = after, peak = 0, delay = delay}
  redis.call('ZADD', KEYS[2], 0, event)
  redis.call('HINCRBY', KEYS[5], 'sessions_begun', 1)
end
session.emptied = nil
session.trace = ARGV[4] ~= '' and ARGV[4] or nil
redis.call('HSET', KEYS[3], event, cjson.encode(session))
redis.call('ZADD', KEYS[4], after + delay, event)
return {after, {event, 'ending', session.id, 0, tostring(after + delay), session.started, session.peak, why}}
