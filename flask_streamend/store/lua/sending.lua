-- Mark that an attempt at a delivery begins, if its lease is still the caller's.
--
-- KEYS  1 open  2 ledger  3 pulse  4 stats  5 closed  6 failing  7 exemplars
--       8 pending  9 sending  10 retrying
-- ARGV  1 delivery   2 owner   3 lease in ms   4 the channel it goes by
-- returns 1: marked, and the lease renewed   0: the lease was lost, or an operator holds; don't send
--- include clock
--- include move
local hold = tonumber(redis.call('HGET', KEYS[3], 'hold') or '0')
if hold > now then return 0 end
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
local packed = redis.call('HGET', KEYS[2], ARGV[1])
if not score or not packed or tonumber(score) <= now then return 0 end
local record = cjson.decode(packed)
if record.owner ~= ARGV[2] then return 0 end
move({pending = KEYS[8], sending = KEYS[9], retrying = KEYS[10]}, KEYS[4], record, 'sending')
record.attempts = record.attempts + 1
-- Whose it is, it stays: its host may have been told by it.
if record.channel == '' then record.channel = ARGV[4] end
redis.call('HSET', KEYS[2], ARGV[1], cjson.encode(record))
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
return 1
