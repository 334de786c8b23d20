-- Read a bounded part of events and deliveries for a page, what matters most first.
--
-- KEYS  1 clients  2 sessions  3 due  4 open  5 closed  6 ledger  7 stats
-- ARGV  1 events of a kind at the most   2 deliveries of a kind at the most
--       3 settled deliveries among which dead letters are looked for, the newest
-- returns {ending, live: {event, session as JSON, viewers, due time or ""} of each,
--          dead, owed, settled: {delivery, record as JSON, its time in open or closed} of each}
local wanted = tonumber(ARGV[2])

local function events(ranked, ending)
  local rows = {}
  for i = 1, #ranked, 2 do
    local packed = redis.call('HGET', KEYS[2], ranked[i])
    if packed and ending then
      rows[#rows + 1] = {ranked[i], packed, redis.call('ZSCORE', KEYS[1], ranked[i]) or '0', ranked[i + 1]}
    elseif packed and not redis.call('ZSCORE', KEYS[3], ranked[i]) then
      rows[#rows + 1] = {ranked[i], packed, ranked[i + 1], ''}
    end
  end
  return rows
end
local ending = redis.call('ZRANGE', KEYS[3], 0, tonumber(ARGV[1]) - 1, 'WITHSCORES')
local live = redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', '(0', 'WITHSCORES', 'LIMIT', 0, ARGV[1])

local dead, owed, settled = {}, {}, {}
local opened = redis.call('ZRANGE', KEYS[4], 0, wanted - 1, 'WITHSCORES')
for i = 1, #opened, 2 do
  local packed = redis.call('HGET', KEYS[6], opened[i])
  if packed then owed[#owed + 1] = {opened[i], packed, opened[i + 1]} end
end
-- No further than for all dead letters there are: where there is none, for the last few.
local missing = math.min(wanted, tonumber(redis.call('HGET', KEYS[7], 'deliveries|dead') or '0'))
for from = 0, tonumber(ARGV[3]) - 1, 100 do
  if #settled >= wanted and #dead >= missing then break end
  local closed = redis.call('ZREVRANGE', KEYS[5], from, from + 99, 'WITHSCORES')
  for i = 1, #closed, 2 do
    local packed = redis.call('HGET', KEYS[6], closed[i])
    if packed then
      local rows = cjson.decode(packed).state == 'dead' and dead or settled
      if #rows < wanted then rows[#rows + 1] = {closed[i], packed, closed[i + 1]} end
    end
  end
  if #closed < 200 then break end
end
return {events(ending, true), events(live, false), dead, owed, settled}
