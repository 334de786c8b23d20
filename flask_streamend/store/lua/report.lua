-- Set how many viewers one holder has of some events; begin, resume or start to end their sessions.
--
-- A number is set, never incremented, so a repeat changes nothing, and a report older than one
-- already seen is dropped. Whether an event is empty is decided here and nowhere else.
--
-- KEYS  1 holders  2 held:HOLDER  3 clients  4 sessions  5 due  6 stats
-- ARGV  1 holder   2 seq   3 lease in ms   4 "1": the report is full
--       5 JSON {event: [count, session to begin, delay in ms], ...}
-- returns {"unknown", now}: a partial report of a holder that is not known; nothing was done
--         {"old", now}: nothing was done
--         {"ok", now, {event, change, session, clients, due or ""}, ...}
local time = redis.call('TIME')
-- Rounded up: a grace period counted from here is never a fraction of a millisecond short.
local now = math.ceil(time[1] * 1000 + time[2] / 1000)
local holder, seq, full = ARGV[1], tonumber(ARGV[2]), ARGV[4] == '1'

if not full and not redis.call('ZSCORE', KEYS[1], holder) then return {'unknown', now} end
local last = tonumber(redis.call('HGET', KEYS[2], '#seq') or '0')
-- The same number again is a repeat whose answer was lost: it is answered anew.
if seq < last then return {'old', now} end

redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), holder)
redis.call('HSET', KEYS[2], '#seq', seq)

local held = cjson.decode(ARGV[5])
if full then
  local before = redis.call('HKEYS', KEYS[2])
  for _, event in ipairs(before) do
    if event ~= '#seq' and not held[event] then held[event] = {0, '', -1} end
  end
end

local reply = {'ok', now}
for event, entry in pairs(held) do
  local count, candidate, delay = tonumber(entry[1]), entry[2], tonumber(entry[3])
  local old = tonumber(redis.call('HGET', KEYS[2], event) or '0')
  local clients = tonumber(redis.call('ZSCORE', KEYS[3], event) or '0') + count - old
  local packed = redis.call('HGET', KEYS[4], event)
  local session = packed and cjson.decode(packed)
  local due = redis.call('ZSCORE', KEYS[5], event)
  local change = 'none'

  if count == 0 then redis.call('HDEL', KEYS[2], event) else redis.call('HSET', KEYS[2], event, count) end
  if count ~= old then redis.call('HINCRBY', KEYS[6], 'clients', count - old) end

  if not session and clients > 0 then
    session = {id = candidate, started = now, peak = 0, delay = delay}
    change = 'started'
    redis.call('HINCRBY', KEYS[6], 'sessions_begun', 1)
  elseif due and clients > 0 then
    redis.call('ZREM', KEYS[5], event)
    due = false
    change = 'resumed'
    redis.call('HINCRBY', KEYS[6], 'grace_periods|resumed', 1)
  end
  if session then
    if delay >= 0 then session.delay = delay end
    if clients == 0 and not due then
      due = now + session.delay
      redis.call('ZADD', KEYS[5], due, event)
      change = 'ending'
    end
    session.peak = math.max(session.peak, clients)
    local repacked = cjson.encode(session)
    if repacked ~= packed then redis.call('HSET', KEYS[4], event, repacked) end
    redis.call('ZADD', KEYS[3], clients, event)
  end
  reply[#reply + 1] = {event, change, session and session.id or '', clients, due and tostring(due) or ''}
end
return reply
