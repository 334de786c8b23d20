-- Extend a process's lease and tell it what it should know or do.
--
-- KEYS  1 holders  2 clients  3 sessions  4 due  5 stats  6 over  7 ledger  8 pulse  9 shared
--       10 open  11 expiry  12 ringing
-- ARGV  1 holder, or "" of who holds nothing   2 lease in ms
--       3 the time of the last heartbeat: what was stopped, purged or shared since is told
--       4 the epoch it knew, or ""   5 ms within which it beats again
--       6 ms after which something ready counts as unheard
--       7 ms for which one process only is asked to ring
-- returns {known, now, epoch, viewers of all events, {holders whose lease lapsed},
--          {over since, each followed by when},
--          {events that others came to hold too since}, {events with guests whose time is up},
--          1 if the caller should ring,
--          1 if it should set the watching alarm, -1 if it should remove it}
--- include clock
--- include pulse
local lease = tonumber(ARGV[2])
local state = pulse(ARGV[4], lease, tonumber(ARGV[5]))
local last = ARGV[1] ~= '' and redis.call('ZSCORE', KEYS[1], ARGV[1])
-- In a gap who has not reported since is as unknown: a beat says nothing of viewers who came.
local known = last and (state.gap == 0 or tonumber(last) >= state.fresh) and 1 or 0
if known == 1 then redis.call('ZADD', KEYS[1], after + lease, ARGV[1]) end
redis.call('HSET', KEYS[8], 'swept', now)
local waits = state.gap > 0 or state.hold > 0
local ring, watch, late = 0, 0, now - tonumber(ARGV[6])
local unheard = state.hold > 0 and 0 or redis.call('ZCOUNT', KEYS[10], '-inf', late)
if not waits then unheard = unheard + redis.call('ZCOUNT', KEYS[4], '-inf', late) end
if unheard > 0 and redis.call('SET', KEYS[12], '1', 'NX', 'PX', ARGV[7]) then ring = 1 end
-- Since when the watching alarm may be gone; less than 0: until when it is to be removed, by all who
-- beat, as an answer may be lost and a late setter come after.
local at = tonumber(redis.call('HGET', KEYS[8], 'watch') or '0')
if redis.call('EXISTS', KEYS[3], KEYS[10]) > 0 then
  -- The alarm itself beats seldom, and says with each beat that it is there.
  if at <= now or tonumber(ARGV[5]) > 5000 then
    redis.call('HSET', KEYS[8], 'watch', now + 2 * lease + 5000)
    watch = 1
  end
elseif at > 0 then
  redis.call('HSET', KEYS[8], 'watch', -now - lease)
  watch = -1
elseif at < 0 then
  if -at > now then watch = -1 else redis.call('HDEL', KEYS[8], 'watch') end
end
redis.call('ZREMRANGEBYSCORE', KEYS[9], '-inf', now - 3600000)
return {
  known, now, state.epoch, tonumber(redis.call('HGET', KEYS[5], 'clients') or '0'),
  state.gap > 0 and {} or redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 10),
  redis.call('ZRANGEBYSCORE', KEYS[6], ARGV[3], '+inf', 'WITHSCORES', 'LIMIT', 0, 1000),
  redis.call('ZRANGEBYSCORE', KEYS[9], ARGV[3], '+inf', 'LIMIT', 0, 1000),
  redis.call('ZRANGEBYSCORE', KEYS[11], '-inf', now, 'LIMIT', 0, 100),
  ring, watch,
}
