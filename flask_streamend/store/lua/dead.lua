-- Take up a dead letter once more, or let it go.
--
-- KEYS  1 open  2 ledger  3 pulse  4 stats  5 closed  6 failing  7 exemplars
--       8 pending  9 sending  10 retrying
-- ARGV  1 delivery   2 "retry" or "dismiss"
-- returns 1: done   0: there is no such dead letter
--- include clock
--- include move
local packed = redis.call('HGET', KEYS[2], ARGV[1])
if not packed then return 0 end
local record = cjson.decode(packed)
if record.state ~= 'dead' then return 0 end
redis.call('ZREM', KEYS[5], ARGV[1])
if ARGV[2] == 'dismiss' then
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('HINCRBY', KEYS[4], 'deliveries|dead', -1)
  redis.call('HINCRBY', KEYS[4], 'deliveries_gone', 1)
  return 1
end
record.attempts, record.settled = 0, nil
move({pending = KEYS[8], sending = KEYS[9], retrying = KEYS[10]}, KEYS[4], record, 'retrying')
redis.call('HSET', KEYS[2], ARGV[1], cjson.encode(record))
redis.call('ZADD', KEYS[1], now, ARGV[1])
return 1
