-- Read the system's figures in one act, so that they agree with each other.
--
-- KEYS  1 holders  2 clients  3 sessions  4 due  5 stats  6 over  7 ledger  8 pulse  9 shared
--       10 pending  11 sending  12 retrying  13 problems  14 exemplars
-- ARGV  1 how many events by name, busiest first   2 ms after its due time that something is overdue
-- returns {now, live processes, sessions, ending, {overdue: pending, sending, retrying},
--          due time of the oldest overdue or "", {deliveries: pending, sending, retrying},
--          stats, busiest, {due time or "", of each of them}, problems, exemplars: flat lists,
--          ms left of a gap, ms left of a hold, time of the last sweep}
--- include clock
--- include pulse
local busiest, dues = {}, {}
if tonumber(ARGV[1]) > 0 then
  busiest = redis.call('ZREVRANGE', KEYS[2], 0, tonumber(ARGV[1]) - 1, 'WITHSCORES')
  local some = redis.call('ZCARD', KEYS[4]) > 0
  for i = 1, #busiest, 2 do
    dues[#dues + 1] = some and redis.call('ZSCORE', KEYS[4], busiest[i]) or ''
  end
end
local state = pulse('', 0, 0)
local at = redis.call('HMGET', KEYS[8], 'hold', 'swept')
-- What an operator held counts from when it was let go.
local late = now - tonumber(ARGV[2])
local overdue, oldest = {0, 0, 0}, ''
if late >= tonumber(at[1] or '0') then
  for i = 1, 3 do
    overdue[i] = redis.call('ZCOUNT', KEYS[9 + i], '-inf', late)
  end
  overdue[1] = overdue[1] + redis.call('ZCOUNT', KEYS[4], '-inf', late)
  for _, key in ipairs({KEYS[4], KEYS[10], KEYS[11], KEYS[12]}) do
    local first = redis.call('ZRANGEBYSCORE', key, '-inf', late, 'WITHSCORES', 'LIMIT', 0, 1)[2]
    if first and (oldest == '' or tonumber(first) < tonumber(oldest)) then oldest = first end
  end
end
return {
  now, redis.call('ZCOUNT', KEYS[1], now, '+inf'), redis.call('HLEN', KEYS[3]), redis.call('ZCARD', KEYS[4]),
  overdue, oldest,
  {redis.call('ZCARD', KEYS[10]), redis.call('ZCARD', KEYS[11]), redis.call('ZCARD', KEYS[12])},
  redis.call('HGETALL', KEYS[5]), busiest, dues, redis.call('HGETALL', KEYS[13]),
  redis.call('HGETALL', KEYS[14]), state.gap, state.hold, at[2] or '0',
}
