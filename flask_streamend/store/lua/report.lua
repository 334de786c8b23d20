-- Set how many viewers one process has of some events.
--
-- A report older than one already seen is dropped: a process's reports have one order. One that
-- names a session which was stopped or purged meanwhile opens no other by that.
--
-- KEYS  1 holders  2 clients  3 sessions  4 due  5 stats  6 over  7 ledger  8 pulse  9 shared
--       10 held:HOLDER  11 viewers  12 scratch
-- ARGV  1 holder   2 seq   3 lease in ms   4 "1": the report is full
--       5 JSON {event: [count, session it knows or would begin, delay in ms, most since the last
--         report or -1 (RESTORE), ms since that session began, its peak or 0 where no store has confirmed it,
--         ms since its last viewer left, most since the last report that was answered, how many
--         reports ago that was said last,
--         and where it is traced the context of an end that begins by this], ...}
--       6 the epoch it knew, or ""   7 ms within which it is heard of again
--       8 the store's time as it heard it last, or "": just now
--       9 JSON {event: [viewers by name who came, hashed], ...}
-- returns {"unknown", now, epoch}: a partial report of a holder not known; nothing was done
--         {"old", now}: nothing was done
--         {"ok", now, JSON [[event, change, session, clients, due or "", started, peak, why it ends],
--         ...]}: of an event two rows where it began or resumed, and ended, since the last report
--- include clock
--- include pulse
--- include fresh
--- include apply
--- include meet
local holder, seq, full = ARGV[1], tonumber(ARGV[2]), ARGV[4] == '1'

local state = pulse(ARGV[6], tonumber(ARGV[3]), tonumber(ARGV[7]))
local known = redis.call('ZSCORE', KEYS[1], holder)
if not full and not known then return {'unknown', after, state.epoch} end
local last = tonumber(redis.call('HGET', KEYS[10], '#seq') or '-1')
-- The same number again is a repeat whose answer was lost: it is answered anew.
if seq < last or (not known and seq == last) then return {'old', after} end
-- Who was reaped, and says more, begins anew.
if not known then
  last = -1
  redis.call('PERSIST', KEYS[10])
end

local lease = after + tonumber(ARGV[3])
-- Held up since before the gap: it does not say who came meanwhile. So the gap lasts until now, and
-- its holder is waited for.
if state.gap > 0 and tonumber(ARGV[8] ~= '' and ARGV[8] or after) < state.from then
  redis.call('HSET', KEYS[8], 'from', now)
  lease = now + tonumber(ARGV[3]) - 1
end
redis.call('ZADD', KEYS[1], lease, holder)
redis.call('HSET', KEYS[10], '#seq', seq)

local held = cjson.decode(ARGV[5])
if full then
  for _, event in ipairs(redis.call('HKEYS', KEYS[10])) do
    if event ~= '#seq' and not held[event] then held[event] = {0, '', -1, 0, 0, 0, 0, 0, 0} end
  end
end

local named = cjson.decode(ARGV[9])
local any_over = redis.call('EXISTS', KEYS[6]) == 1
local rows = {}
for event, entry in pairs(held) do
  local count, session, delay, most = tonumber(entry[1]), entry[2], tonumber(entry[3]), tonumber(entry[4])
  local age, peak = tonumber(entry[5]), tonumber(entry[6])
  local old = tonumber(redis.call('HGET', KEYS[10], event) or '0')
  -- What was said in a report that was heard, though its holder may not know, was said.
  if last < 0 or (seq > last + 1 and seq - entry[9] > last) then
    most = entry[8] > 0 and math.max(most, entry[8]) or most
  end
  local left = count == 0 and (old > 0 or most ~= 0) and after - tonumber(entry[7]) or 0
  local row
  local stopped = any_over and redis.call('ZSCORE', KEYS[6], event .. ' ' .. session .. ' stopped')
  if stopped then
    row = apply(KEYS[10], event, 0, session, delay, 0, 0, 0)
    row[2], row[5] = 'stopped', stopped
  elseif any_over and redis.call('ZSCORE', KEYS[6], event .. ' ' .. session .. ' purged') then
    row = {event, 'purged', '', 0, '', 0, 0, ''}
  else
    -- Nobody came since the last report; a store that lost the session since, and never told it, begins it.
    if most < 0 and ARGV[6] ~= state.epoch and redis.call('HEXISTS', KEYS[3], event) + redis.call('HEXISTS', KEYS[7], session) == 0 then
      most = 1
    end
    -- Viewers who came and went between two reports were there all the same.
    local entry_told = most > 0 and redis.call('HGET', KEYS[7], session)
    if entry_told and count == 0 and delay >= 0 and left + delay <= cjson.decode(entry_told).due then
      most = 0  -- They had left when it ended: they were told of.
    end
    if most > math.max(count, old) then
      local flash = apply(KEYS[10], event, most, session, delay, age, peak, 0)
      if flash[2] ~= 'none' then rows[#rows + 1] = flash end
    end
    row = apply(KEYS[10], event, count, session, delay, age, peak, left, entry[10])
    meet(event, named[event] or {}, KEYS[11], KEYS[12])
  end
  rows[#rows + 1] = row
end
return {'ok', after, cjson.encode(rows)}
