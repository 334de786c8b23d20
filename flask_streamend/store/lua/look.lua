-- Say what an alarm needs to know before it wakes anybody.
--
-- KEYS  1 due   2 open
-- ARGV  1 the instant the alarm was set for, or ""
-- returns {now, ends and deliveries that are ready, 1 if something still waits for that instant}
--- include clock
local ready = redis.call('ZCOUNT', KEYS[1], '-inf', now) + redis.call('ZCOUNT', KEYS[2], '-inf', now)
local waiting = 0
if ARGV[1] ~= '' and tonumber(ARGV[1]) > now then
  waiting = redis.call('ZCOUNT', KEYS[1], ARGV[1], ARGV[1]) + redis.call('ZCOUNT', KEYS[2], ARGV[1], ARGV[1])
end
return {now, ready, waiting > 0 and 1 or 0}
