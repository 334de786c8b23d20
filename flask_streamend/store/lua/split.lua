-- Make one delivery for each channel of an end; what it was given to stays the same from then on.
--
-- KEYS  1 open  2 ledger  3 pulse  4 stats  5 closed  6 failing  7 exemplars
--       8 pending  9 sending  10 retrying
-- ARGV  1 delivery   2 owner   3 JSON [channel, ...]: the delivery becomes the first one's
--       4 the context of a trace for the others, where their end has none; or ""
-- returns the delivery's channel; "" where it is no longer the caller's
--- include clock
--- include beside
local packed = redis.call('HGET', KEYS[2], ARGV[1])
if not packed then return '' end
local record = cjson.decode(packed)
if record.owner ~= ARGV[2] then return '' end
if record.channel ~= '' then return record.channel end
local channels = cjson.decode(ARGV[3])
record.channel = channels[1]
redis.call('HSET', KEYS[2], ARGV[1], cjson.encode(record))
record.trace = record.trace or (ARGV[4] ~= '' and ARGV[4] or nil)
for i = 2, #channels do
  local id = record.session .. '--' .. channels[i]
  -- Told already by a process that no store knew of then.
  if redis.call('HEXISTS', KEYS[2], id) == 0 then
    beside(id, record, record.due, channels[i], KEYS[4], KEYS[2], KEYS[8])
    redis.call('ZADD', KEYS[1], now, id)
  end
  beside_end(KEYS[2], record.session, id)
end
return record.channel
