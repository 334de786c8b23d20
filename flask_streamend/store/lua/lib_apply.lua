-- apply: set how many viewers one holder has of one event; begin, resume or start to end its session.
--
-- Whether an event is empty is decided here and nowhere else. A number is set, never incremented,
-- so a repeat changes nothing.
--
-- KEYS  1 holders  2 clients  3 sessions  4 due  5 stats  6 over  7 ledger  8 pulse  9 shared
--       (the first nine of its callers)
-- candidate  the session to begin, or which the holder knows
-- age        ms since that session began, for all the holder knows
-- peak       its most viewers; 0 of a session that no store has confirmed
-- left       when the holder's last viewer left, where that is since it was heard of; else 0
-- trace      the context of the trace of the end that begins by this; or nil
-- returns {event, change, session, clients, due or "", started, peak, why it ends: "stopping",
--          "emptied" or ""}
--
-- A session knows who decides when it ends: `kept` lasts while its publisher does, whoever watches;
-- `stopping` ends at its due time, as its publisher stopped; `emptied` ends because viewers left.
-- `published` has a publisher.
local function row_of(event, change, session, clients, due)
  return {event, change, session and session.id or '', clients, due and tostring(due) or '',
    session and session.started or 0, session and session.peak or 0,
    session and (session.stopping and 'stopping' or session.emptied and 'emptied') or ''}
end

local function apply(held, event, count, candidate, delay, age, peak, left, trace)
  local old = tonumber(redis.call('HGET', held, event) or '0')
  local clients = tonumber(redis.call('ZSCORE', KEYS[2], event) or '0') + count - old
  local packed = redis.call('HGET', KEYS[3], event)
  local session = packed and cjson.decode(packed)
  local due = redis.call('ZSCORE', KEYS[4], event)
  local change = 'none'

  if count == 0 then redis.call('HDEL', held, event) else redis.call('HSET', held, event, count) end
  if count ~= old then redis.call('HINCRBY', KEYS[5], 'clients', count - old) end
  if old == 0 and count > 0 and clients > count then redis.call('ZADD', KEYS[9], after, event) end

  -- A session that was told is over, whatever a holder that was away thinks.
  local told = candidate ~= '' and redis.call('HEXISTS', KEYS[7], candidate) == 1
  if not session and clients > 0 then
    if told then candidate, age, peak = fresh(candidate), 0, 0 end
    session = {id = candidate, started = after - age, peak = peak, delay = delay}
    change = 'started'
    redis.call('HINCRBY', KEYS[5], 'sessions_begun', 1)
  elseif due and clients > 0 and not session.stopping then
    redis.call('ZREM', KEYS[4], event)
    due, session.trace, session.emptied = false, nil, nil
    change = 'resumed'
    redis.call('HINCRBY', KEYS[5], 'grace_periods|resumed', 1)
  end
  if session then
    -- After a gap two may have begun one each: the older is the one.
    if count > 0 and not told and after - age < session.started then
      if peak > 0 then session.id = candidate end
      session.started = after - age
    end
    if delay >= 0 then session.delay = delay end
    local decides = not session.kept and not session.stopping
    if clients == 0 and decides and (not due or left + session.delay > tonumber(due)) then
      due = due and left + session.delay or after + session.delay
      redis.call('ZADD', KEYS[4], due, event)
      change, session.trace, session.emptied = 'ending', trace, true
    end
    -- Who is still there may have left, too: the last leave counts, whoever says so first.
    if left > (session.left or 0) then session.left = left end
    session.peak = math.max(session.peak, clients, peak)
    local repacked = cjson.encode(session)
    if repacked ~= packed then redis.call('HSET', KEYS[3], event, repacked) end
    redis.call('ZADD', KEYS[2], clients, event)
  end
  return row_of(event, change, session, clients, due)
end
