-- deliver: turn a session that is over into a delivery in the ledger.
--
-- KEYS  5 stats  7 ledger   (of the first nine of its callers)
-- returns {event, session, due, started, peak, clients, trace, unique viewers or -1}
local function deliver(event, session, due, clients, open, pending)
  redis.call('HSET', KEYS[7], session.id, cjson.encode({
    event = event, session = session.id, due = due, started = session.started, peak = session.peak,
    clients = clients, state = 'pending', attempts = 0, channel = '', error = '',
    trace = session.trace, unique = session.unique,
    -- When it was over at the earliest, by who was seen to leave it.
    last = math.min(due, math.max((session.left or 0) + (session.delay or 0), session.put or 0)),
  }))
  redis.call('ZADD', open, now, session.id)
  redis.call('ZADD', pending, due, session.id)
  redis.call('HINCRBY', KEYS[5], 'sessions_ended', 1)
  redis.call('HINCRBY', KEYS[5], 'deliveries_made', 1)
  observe(KEYS[5], 'event_duration', math.max(0, due - session.started))
  observe(KEYS[5], 'event_peak_clients', session.peak)
  return {event, session.id, due, session.started, session.peak, clients, session.trace or '',
    session.unique or -1}
end
