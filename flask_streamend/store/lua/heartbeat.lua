-- Extend a process's lease and tell it what it should know or do.
--
-- KEYS  1 holders  2 over  3 due  4 open  5 expiry  6 stats  7 ringing
-- ARGV  1 holder, or "" of who holds nothing   2 lease in ms
--       3 the time of the last heartbeat: what was stopped or purged since is told
--       4 ms after which something ready counts as unheard
--       5 ms for which one process only is asked to ring
-- returns {known, now, viewers of all events, {holders whose lease lapsed}, {over since},
--          {events with guests whose time is up}, 1 if the caller should ring}
--- include clock
local known = 0
if ARGV[1] ~= '' and redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  known = 1
  redis.call('ZADD', KEYS[1], after + tonumber(ARGV[2]), ARGV[1])
end
local ring, late = 0, now - tonumber(ARGV[4])
if redis.call('ZCOUNT', KEYS[3], '-inf', late) + redis.call('ZCOUNT', KEYS[4], '-inf', late) > 0 then
  if redis.call('SET', KEYS[7], '1', 'NX', 'PX', ARGV[5]) then ring = 1 end
end
return {
  known, now, tonumber(redis.call('HGET', KEYS[6], 'clients') or '0'),
  redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 10),
  redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[3], '+inf', 'LIMIT', 0, 1000),
  redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now, 'LIMIT', 0, 100),
  ring,
}
