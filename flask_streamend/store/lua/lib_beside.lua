-- beside: put a delivery of an id of its own into the ledger, beside its end's first one: of another
-- channel, or a digest's.
--
-- end_   the end's record, or what there is of it
local function beside(id, end_, due, channel, stats, ledger, pending)
  local record = {
    id = id, event = end_.event, session = end_.session, due = due, started = end_.started,
    peak = end_.peak, clients = end_.clients, state = 'pending', attempts = 0, channel = channel,
    error = '', trace = end_.trace, unique = end_.unique,
  }
  redis.call('HSET', ledger, id, cjson.encode(record))
  redis.call('ZADD', pending, due, id)
  redis.call('HINCRBY', stats, 'deliveries_made', 1)
  return record
end
-- beside_end: note with an end's first delivery that there is another.
local function beside_end(ledger, session, id)
  local packed = redis.call('HGET', ledger, session)
  if not packed then return end
  local first = cjson.decode(packed)
  first.others = first.others or {}
  for _, other in ipairs(first.others) do
    if other == id then return end
  end
  first.others[#first.others + 1] = id
  redis.call('HSET', ledger, session, cjson.encode(first))
end
