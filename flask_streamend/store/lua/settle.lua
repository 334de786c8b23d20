-- Record how an attempt at a delivery went, with its counters, and keep the ledger bounded.
--
-- The first success of a channel that had failed as a whole takes up what waits because of that.
--
-- KEYS  1 open   2 owed   3 ledger   4 closed   5 stats   6 failing
-- ARGV  1 delivery   2 owner   3 channel   4 outcome: sent, skipped, dead, failed or postponed
--       5 error, or why it was skipped   6 ms until the next try   7 ms a closed record is kept   8 closed records kept
--       9 bounds of the latency histogram in ms, separated by spaces   10 why it failed, in a word
-- returns ms since the event was due; -1 where the delivery is no longer the caller's
--- include clock
local id, owner, channel, outcome = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local packed = redis.call('HGET', KEYS[3], id)
if not packed then return -1 end
local record = cjson.decode(packed)
if record.owner ~= owner then return -1 end

local late = now - record.due
local function count(field, by) redis.call('HINCRBY', KEYS[5], field, by) end

-- An attempt that failed before it was marked was one all the same.
if (outcome == 'failed' or outcome == 'dead') and record.state ~= 'sending' then
  record.attempts = record.attempts + 1
end
record.channel, record.error, record.owner = channel, ARGV[5], nil
local whole = {connect = true, timeout = true, auth = true}
record.away = nil
if (outcome == 'failed' or outcome == 'dead') and ARGV[10] ~= '' then
  count('delivery_failures|' .. channel .. '|' .. ARGV[10], 1)
  if whole[ARGV[10]] then
    record.away = true
    redis.call('HSET', KEYS[6], channel, 1)
  end
end
if outcome == 'failed' or outcome == 'postponed' then
  if outcome == 'failed' then record.state = 'retrying' end
  redis.call('ZADD', KEYS[1], now + tonumber(ARGV[6]), id)
else
  record.state, record.settled = outcome, now
  redis.call('ZREM', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZADD', KEYS[4], now, id)
end

if outcome ~= 'postponed' then
  count('notifications|' .. channel .. '|' .. outcome, 1)
end
if outcome == 'sent' then
  if record.unknown then count('notifications|' .. channel .. '|repeated', 1) end
  for bound in string.gmatch(ARGV[9], '%S+') do
    if late <= tonumber(bound) then
      count('notification_latency|' .. channel .. '|' .. bound, 1)
      break
    end
  end
  count('notification_latency|' .. channel .. '|count', 1)
  count('notification_latency|' .. channel .. '|sum', late)
end
if outcome == 'sent' and redis.call('HEXISTS', KEYS[6], channel) == 1 then
  local woken = 0
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'LIMIT', 0, 100)) do
    local last = redis.call('HGET', KEYS[3], other)
    local waiting = last and cjson.decode(last)
    if waiting and waiting.away and waiting.state == 'retrying' and waiting.channel == channel then
      redis.call('ZADD', KEYS[1], now, other)
      woken = woken + 1
    end
  end
  if woken == 0 then redis.call('HDEL', KEYS[6], channel) end
end
if outcome == 'skipped' then count('skips|' .. ARGV[5], 1) end
if outcome == 'dead' then count('dead', 1) end
redis.call('HSET', KEYS[3], id, cjson.encode(record))

-- A few at a time: a settlement is never the one that pays for a long backlog.
local old = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now - tonumber(ARGV[7]), 'LIMIT', 0, 10)
local over = redis.call('ZCARD', KEYS[4]) - #old - tonumber(ARGV[8])
if over > 0 then
  old = redis.call('ZRANGE', KEYS[4], 0, #old + math.min(over, 10) - 1)
end
for _, gone in ipairs(old) do
  local last = redis.call('HGET', KEYS[3], gone)
  if last and cjson.decode(last).state == 'dead' then count('dead', -1) end
  redis.call('ZREM', KEYS[4], gone)
  redis.call('HDEL', KEYS[3], gone)
  count('deliveries_gone', 1)
end
return late
