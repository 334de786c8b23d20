-- Hold every notice for a while, or let them go.
--
-- KEYS  1 pulse
-- ARGV  1 ms from now; 0: let go
-- returns ms that were left of the hold before
--- include clock
local before = tonumber(redis.call('HGET', KEYS[1], 'hold') or '0')
redis.call('HSET', KEYS[1], 'hold', now + tonumber(ARGV[1]))
return math.max(0, before - now)
