-- Remove a process whose lease lapsed, with the viewers it held.
--
-- KEYS  1 holders  2 clients  3 sessions  4 due  5 stats  6 over  7 held:HOLDER
-- ARGV  1 holder   2 "1": its lease need not have lapsed; it says goodbye itself
-- returns {now, {event, change, session, clients, due or ""}, ...}
--- include clock
--- include apply
local reply = {after}
local lease = redis.call('ZSCORE', KEYS[1], ARGV[1])
if lease and tonumber(lease) > now and ARGV[2] ~= '1' then return reply end
for _, event in ipairs(redis.call('HKEYS', KEYS[7])) do
  if event ~= '#seq' then reply[#reply + 1] = apply(KEYS[7], event, 0, '', -1) end
end
redis.call('DEL', KEYS[7])
redis.call('ZREM', KEYS[1], ARGV[1])
return reply
