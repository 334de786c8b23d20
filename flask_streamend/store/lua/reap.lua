-- Remove a process whose lease lapsed, with the viewers it held.
--
-- KEYS  1 holders  2 clients  3 sessions  4 due  5 stats  6 over  7 ledger  8 pulse  9 shared
--       10 held:HOLDER
-- ARGV  1 holder   2 "1": its lease need not have lapsed; it says goodbye itself
-- returns {now, {event, change, session, clients, due or "", started, peak}, ...}
--- include clock
--- include pulse
--- include fresh
--- include apply
local reply = {after}
if ARGV[2] ~= '1' then
  local lease = redis.call('ZSCORE', KEYS[1], ARGV[1])
  if lease and tonumber(lease) > now or pulse('', 0, 0).gap > 0 then return reply end
end
for _, event in ipairs(redis.call('HKEYS', KEYS[10])) do
  if event ~= '#seq' then
    local others = tonumber(redis.call('ZSCORE', KEYS[2], event) or '0')
      > tonumber(redis.call('HGET', KEYS[10], event))
    -- When its viewers left is not known: now at the latest.
    reply[#reply + 1] = apply(KEYS[10], event, 0, '', -1, 0, 0, others and after or 0)
  end
end
-- Its number stays for a minute: a report that was held up on its way brings nobody back.
redis.call('PEXPIRE', KEYS[10], 60000)
redis.call('ZREM', KEYS[1], ARGV[1])
return reply
