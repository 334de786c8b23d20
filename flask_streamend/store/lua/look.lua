-- Say what an alarm needs to know before it wakes anybody.
--
-- KEYS  1 holders  2 clients  3 sessions  4 due  5 stats  6 over  7 ledger  8 pulse  9 shared
--       10 open
-- ARGV  1 the instant the alarm was set for, or ""   2 ms within which the caller claims, or 0
-- returns {now, ends and deliveries that are ready, 1 if something still waits for that instant,
--          ms until what would be ready is let go: a gap or a hold, epoch}
--- include clock
--- include pulse
local state = pulse('', 0, 0)
local ends = redis.call('ZCOUNT', KEYS[4], '-inf', now)
local deliveries = redis.call('ZCOUNT', KEYS[10], '-inf', now)
local paused = 0
if ends > 0 then paused = math.max(state.gap, state.hold) end
if deliveries > 0 then paused = math.max(paused, state.hold) end
if state.gap > 0 or state.hold > 0 then ends = 0 end
if state.hold > 0 then deliveries = 0 end
-- Where no process lives, nobody else is heard of meanwhile: that is no outage.
if ends > 0 and tonumber(ARGV[2]) > 0 then pulse('', 0, tonumber(ARGV[2])) end
local waiting = 0
if ARGV[1] ~= '' and tonumber(ARGV[1]) > now then
  waiting = redis.call('ZCOUNT', KEYS[4], ARGV[1], ARGV[1]) + redis.call('ZCOUNT', KEYS[10], ARGV[1], ARGV[1])
end
return {now, ends + deliveries, waiting > 0 and 1 or 0, paused, state.epoch}
