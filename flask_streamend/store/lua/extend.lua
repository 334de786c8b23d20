-- Extend the leases of deliveries that wait for their turn at a worker that lives; what is being sent
-- has one of its own, which is to lapse.
--
-- KEYS  1 open  2 ledger
-- ARGV  1 owner   2 JSON [delivery, ...]   3 lease in ms
-- returns how many were extended
--- include clock
local extended = 0
for _, id in ipairs(cjson.decode(ARGV[2])) do
  local until_ = redis.call('ZSCORE', KEYS[1], id)
  local packed = until_ and redis.call('HGET', KEYS[2], id)
  local record = packed and cjson.decode(packed)
  if record and record.owner == ARGV[1] and record.state ~= 'sending' then
    redis.call('ZADD', KEYS[1], math.max(tonumber(until_), now + tonumber(ARGV[3])), id)
    extended = extended + 1
  end
end
return extended
