-- Read the system's figures in one act, so that they agree with each other.
--
-- KEYS  1 holders  2 clients  3 sessions  4 due  5 stats  6 over  7 ledger  8 pulse  9 shared
--       10 owed   11 problems
-- ARGV  1 how many events by name, busiest first   2 ms after its due time that something is overdue
-- returns {now, events, ending, overdue, counters, busiest, problems: each as a flat list,
--          ms left of a gap, ms left of a hold}
--- include clock
--- include pulse
local busiest = {}
if tonumber(ARGV[1]) > 0 then
  busiest = redis.call('ZREVRANGE', KEYS[2], 0, tonumber(ARGV[1]) - 1, 'WITHSCORES')
end
local state = pulse('', 0, 0)
-- What an operator held counts from when it was let go.
local late = now - tonumber(ARGV[2])
local overdue = 0
if late >= tonumber(redis.call('HGET', KEYS[8], 'hold') or '0') then
  overdue = redis.call('ZCOUNT', KEYS[4], '-inf', late) + redis.call('ZCOUNT', KEYS[10], '-inf', late)
end
return {
  now, redis.call('ZCARD', KEYS[2]), redis.call('ZCARD', KEYS[4]), overdue,
  redis.call('HGETALL', KEYS[5]), busiest, redis.call('HGETALL', KEYS[11]), state.gap, state.hold,
}
