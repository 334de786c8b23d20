-- Lease deliveries whose time has come to one worker.
--
-- The lease is the delivery's own place in `open`: it comes up again when the lease lapses, so a
-- worker that died loses nothing.
--
-- KEYS  1 open   2 ledger   3 pulse
-- ARGV  1 owner   2 lease in ms   3 how many at the most
-- returns {{delivery, record as JSON}, ...}, oldest first; none in a hold
--- include clock
local taken = {}
if tonumber(redis.call('HGET', KEYS[3], 'hold') or '0') > now then return taken end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, tonumber(ARGV[3]))) do
  local packed = redis.call('HGET', KEYS[2], id)
  if packed then
    local record = cjson.decode(packed)
    -- Its last owner began to send and never said how that went: it may have been accepted.
    if record.state == 'sending' then record.state, record.unknown = 'retrying', true end
    record.owner = ARGV[1]
    packed = cjson.encode(record)
    redis.call('HSET', KEYS[2], id, packed)
    redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), id)
    taken[#taken + 1] = {id, packed}
  else
    -- A Redis that evicts keys has dropped the ledger: nothing is known of what was owed.
    redis.call('ZREM', KEYS[1], id)
  end
end
return taken
