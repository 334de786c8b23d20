-- Record how an attempt at a delivery went, with its counters, and keep the ledger bounded.
--
-- The first success of a channel that had failed as a whole takes up what waits because of that.
--
-- KEYS  1 open  2 ledger  3 pulse  4 stats  5 closed  6 failing  7 exemplars
--       8 pending  9 sending  10 retrying
-- ARGV  1 delivery   2 owner   3 channel, or "" where there is none
--       4 outcome: sent, skipped, dead, failed or postponed
--       5 error, or why it was skipped   6 why it failed, in a word   7 ms the attempt took, or -1
--       8 ms until the next try   9 ms a closed record is kept   10 closed records kept
--       11 trace id, or ""   12 the context of the attempt's trace, or ""
-- returns ms since the event was due; -1 where the delivery is no longer the caller's
--- include clock
--- include bounds
--- include observe
--- include move
local id, owner, channel, outcome = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local owed = {pending = KEYS[8], sending = KEYS[9], retrying = KEYS[10]}

local packed = redis.call('HGET', KEYS[2], id)
if not packed then return -1 end
local record = cjson.decode(packed)
if record.owner ~= owner then return -1 end

local late = now - record.due
local function count(field, by) redis.call('HINCRBY', KEYS[4], field, by) end

local counted = channel ~= ''
if counted and tonumber(ARGV[7]) >= 0 then
  observe(KEYS[4], 'send_duration|' .. channel, tonumber(ARGV[7]))
end
if outcome == 'failed' or outcome == 'dead' then
  -- An attempt that failed before it was marked was one all the same.
  if record.state ~= 'sending' then record.attempts = record.attempts + 1 end
  if counted and ARGV[6] ~= '' then count('delivery_failures|' .. channel .. '|' .. ARGV[6], 1) end
end
-- Whose it is, it stays.
if record.channel == '' then record.channel = channel end
record.error, record.owner, record.away = ARGV[5], nil, nil
if ARGV[12] ~= '' then record.tried = ARGV[12] end
if outcome == 'failed' or outcome == 'postponed' then
  record.again = true
  if outcome == 'failed' then
    move(owed, KEYS[4], record, 'retrying')
    if ARGV[6] == 'connect' or ARGV[6] == 'timeout' or ARGV[6] == 'auth' then
      record.away = true
      redis.call('HSET', KEYS[6], channel, 1)
    end
  end
  redis.call('ZADD', KEYS[1], now + tonumber(ARGV[8]), id)
else
  move(owed, KEYS[4], record, outcome)
  record.settled = now
  redis.call('ZREM', KEYS[1], id)
  redis.call('ZADD', KEYS[5], now, id)
end

if counted and outcome ~= 'postponed' then
  count('notifications|' .. channel .. '|' .. outcome, 1)
end
if outcome == 'skipped' then
  local ends = 1
  if record.members then
    ends = 0
    for _, member in ipairs(record.members) do
      if not member.out then ends = ends + 1 end
    end
  end
  if ends > 0 then count('skips|' .. ARGV[5], ends) end
end
if outcome == 'sent' then
  if record.unknown then count('notifications|' .. channel .. '|repeated', 1) end
  local bound = observe(KEYS[4], 'notification_latency|' .. channel, late)
  redis.call('HSET', KEYS[7], channel .. '|' .. bound,
    cjson.encode({event = record.event, trace = ARGV[11], late = late, at = now}))
  if redis.call('HEXISTS', KEYS[6], channel) == 1 then
    local woken = 0
    for _, other in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'LIMIT', 0, 100)) do
      local last = redis.call('HGET', KEYS[2], other)
      local waiting = last and cjson.decode(last)
      -- Not what somebody has taken up already.
      local waits = waiting and waiting.away and not waiting.owner
      if waits and waiting.state == 'retrying' and waiting.channel == channel then
        redis.call('ZADD', KEYS[1], now, other)
        woken = woken + 1
      end
    end
    if woken == 0 then redis.call('HDEL', KEYS[6], channel) end
  end
end
redis.call('HSET', KEYS[2], id, cjson.encode(record))

-- A few at a time: a settlement is never the one that pays for a long backlog.
local old = redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now - tonumber(ARGV[9]), 'LIMIT', 0, 10)
local over = redis.call('ZCARD', KEYS[5]) - #old - tonumber(ARGV[10])
if over > 0 then
  old = redis.call('ZRANGE', KEYS[5], 0, #old + math.min(over, 10) - 1)
end
for _, gone in ipairs(old) do
  local last = redis.call('HGET', KEYS[2], gone)
  if last then count('deliveries|' .. cjson.decode(last).state, -1) end
  redis.call('ZREM', KEYS[5], gone)
  redis.call('HDEL', KEYS[2], gone)
  count('deliveries_gone', 1)
end
return late
