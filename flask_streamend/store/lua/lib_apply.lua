-- apply: set how many viewers one holder has of one event; begin, resume or start to end its session.
--
-- Whether an event is empty is decided here and nowhere else. A number is set, never incremented,
-- so a repeat changes nothing.
--
-- KEYS  1 holders  2 clients  3 sessions  4 due  5 stats  6 over   (the first six of its callers)
-- returns {event, change, session, clients, due or ""}
local function apply(held, event, count, candidate, delay)
  local old = tonumber(redis.call('HGET', held, event) or '0')
  local clients = tonumber(redis.call('ZSCORE', KEYS[2], event) or '0') + count - old
  local packed = redis.call('HGET', KEYS[3], event)
  local session = packed and cjson.decode(packed)
  local due = redis.call('ZSCORE', KEYS[4], event)
  local change = 'none'

  if count == 0 then redis.call('HDEL', held, event) else redis.call('HSET', held, event, count) end
  if count ~= old then redis.call('HINCRBY', KEYS[5], 'clients', count - old) end

  if not session and clients > 0 then
    session = {id = candidate, started = after, peak = 0, delay = delay}
    change = 'started'
    redis.call('HINCRBY', KEYS[5], 'sessions_begun', 1)
  elseif due and clients > 0 then
    redis.call('ZREM', KEYS[4], event)
    due = false
    change = 'resumed'
    redis.call('HINCRBY', KEYS[5], 'grace_periods|resumed', 1)
  end
  if session then
    if delay >= 0 then session.delay = delay end
    if clients == 0 and not due then
      due = after + session.delay
      redis.call('ZADD', KEYS[4], due, event)
      change = 'ending'
    end
    session.peak = math.max(session.peak, clients)
    local repacked = cjson.encode(session)
    if repacked ~= packed then redis.call('HSET', KEYS[3], event, repacked) end
    redis.call('ZADD', KEYS[2], clients, event)
  end
  return {event, change, session and session.id or '', clients, due and tostring(due) or ''}
end
