-- Extend the lease of a holder that the store knows.
--
-- KEYS  1 holders
-- ARGV  1 holder   2 lease in ms
-- returns 1: extended   0: not known, it must report in full
local time = redis.call('TIME')
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], math.ceil(time[1] * 1000 + time[2] / 1000) + tonumber(ARGV[2]), ARGV[1])
return 1
