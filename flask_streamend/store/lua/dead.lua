-- Take up a dead letter once more, or let it go.
--
-- KEYS  1 open   2 owed   3 ledger   4 closed   5 stats
-- ARGV  1 delivery   2 "retry" or "dismiss"
-- returns 1: done   0: there is no such dead letter
--- include clock
local packed = redis.call('HGET', KEYS[3], ARGV[1])
if not packed then return 0 end
local record = cjson.decode(packed)
if record.state ~= 'dead' then return 0 end
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('HINCRBY', KEYS[5], 'dead', -1)
if ARGV[2] == 'dismiss' then
  redis.call('HDEL', KEYS[3], ARGV[1])
  redis.call('HINCRBY', KEYS[5], 'deliveries_gone', 1)
  return 1
end
record.state, record.attempts, record.settled = 'retrying', 0, nil
redis.call('HSET', KEYS[3], ARGV[1], cjson.encode(record))
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZADD', KEYS[2], record.due, ARGV[1])
return 1
