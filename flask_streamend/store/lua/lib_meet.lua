-- meet: note viewers by name in an event's session, and how many different ones it has had by now.
--
-- Who they were is not kept: a sketch (HyperLogLog) of at most 12 KB tells one that it has seen, and
-- nothing else. It lies in a field, so that it goes in the act that ends its session.
--
-- KEYS  3 sessions   (of the first nine of its callers)
-- sketches  event -> sketch
-- scratch   a key that is there only within this
local function meet(event, names, sketches, scratch)
  local packed = #names > 0 and redis.call('HGET', KEYS[3], event)
  if not packed then return end
  local sketch = redis.call('HGET', sketches, event)
  if sketch then redis.call('SET', scratch, sketch) end
  local new = redis.pcall('PFADD', scratch, unpack(names))
  if new == 1 then
    local session = cjson.decode(packed)
    -- What Redis lost of it, or another store had seen, was there all the same.
    session.unique = math.max(session.unique or 0, redis.call('PFCOUNT', scratch))
    redis.call('HSET', KEYS[3], event, cjson.encode(session))
    redis.call('HSET', sketches, event, redis.call('GET', scratch))
  end
  -- A sketch that is none, whoever wrote it, stops no report: another begins.
  if type(new) == 'table' then redis.call('HDEL', sketches, event) end
  redis.call('DEL', scratch)
end
