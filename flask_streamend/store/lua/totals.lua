-- Read the system's figures in one act, so that they agree with each other.
--
-- KEYS  1 clients   2 due   3 owed   4 stats   5 problems
-- ARGV  1 how many events by name, busiest first   2 ms after its due time that something is overdue
-- returns {now, events, ending, overdue, counters, busiest, problems: each as a flat list}
--- include clock
local busiest = {}
if tonumber(ARGV[1]) > 0 then
  busiest = redis.call('ZREVRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1, 'WITHSCORES')
end
local overdue = redis.call('ZCOUNT', KEYS[2], '-inf', now - tonumber(ARGV[2]))
  + redis.call('ZCOUNT', KEYS[3], '-inf', now - tonumber(ARGV[2]))
return {
  now, redis.call('ZCARD', KEYS[1]), redis.call('ZCARD', KEYS[2]), overdue,
  redis.call('HGETALL', KEYS[4]), busiest, redis.call('HGETALL', KEYS[5]),
}
