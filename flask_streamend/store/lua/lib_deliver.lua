-- deliver: turn a session that is over into a delivery in the ledger.
--
-- returns {event, session, due, started, peak, clients}
local function deliver(ledger, open, owed, stats, event, session, due, clients)
  redis.call('HSET', ledger, session.id, cjson.encode({
    event = event, session = session.id, due = due, started = session.started, peak = session.peak,
    clients = clients, state = 'pending', attempts = 0, channel = '', error = '',
  }))
  redis.call('ZADD', open, now, session.id)
  redis.call('ZADD', owed, due, session.id)
  redis.call('HINCRBY', stats, 'sessions_ended', 1)
  redis.call('HINCRBY', stats, 'deliveries_made', 1)
  return {event, session.id, due, session.started, session.peak, clients}
end
