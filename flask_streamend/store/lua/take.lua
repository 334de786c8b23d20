-- Lease deliveries whose time has come to one worker.
--
-- The lease is the delivery's own place in `open`: it comes up again when the lease lapses, so a
-- worker that died loses nothing.
--
-- KEYS  1 open  2 ledger  3 pulse  4 stats  5 closed  6 failing  7 exemplars
--       8 pending  9 sending  10 retrying
-- ARGV  1 owner   2 lease in ms   3 how many at the most
-- returns {{delivery, record as JSON}, ...}, oldest first; none in a hold
--- include clock
--- include move
local owed = {pending = KEYS[8], sending = KEYS[9], retrying = KEYS[10]}
local taken = {}
if tonumber(redis.call('HGET', KEYS[3], 'hold') or '0') > now then return taken end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, tonumber(ARGV[3]))) do
  local packed = redis.call('HGET', KEYS[2], id)
  if packed then
    local record = cjson.decode(packed)
    -- Its last owner began to send and never said how that went: it may have been accepted.
    if record.state == 'sending' then
      move(owed, KEYS[4], record, 'retrying')
      record.unknown = true
    end
    record.owner = ARGV[1]
    packed = cjson.encode(record)
    redis.call('HSET', KEYS[2], id, packed)
    redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), id)
    taken[#taken + 1] = {id, packed}
  else
    -- A Redis that evicts keys has dropped the ledger: nothing is known of what was owed.
    redis.call('ZREM', KEYS[1], id)
    for _, key in pairs(owed) do redis.call('ZREM', key, id) end
  end
end
return taken
