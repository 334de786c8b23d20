-- Keep what a process says of itself, and forget those that are gone.
--
-- KEYS  1 holders  2 facts
-- ARGV  1 who: a holder, or a worker, whose name begins with "worker:"
--       2 what it says, or "": it is gone   3 ms for which that is kept   4 how many at the most
-- returns how many are kept
--- include clock
local kept = {}
local row = redis.call('HGETALL', KEYS[2])
for i = 1, #row, 2 do
  local till = tonumber(row[i + 1]:match('^%d+') or '0')
  local holds = row[i]:sub(1, 7) == 'worker:' or redis.call('ZSCORE', KEYS[1], row[i])
  if till <= now or not holds or row[i] == ARGV[1] then
    redis.call('HDEL', KEYS[2], row[i])
  else
    kept[#kept + 1] = {till, row[i]}
  end
end
if ARGV[2] == '' then return #kept end
table.sort(kept, function(a, b) return a[1] > b[1] end)
for i = tonumber(ARGV[4]), #kept do redis.call('HDEL', KEYS[2], kept[i][2]) end
redis.call('HSET', KEYS[2], ARGV[1], (now + tonumber(ARGV[3])) .. ' ' .. ARGV[2])
redis.call('PEXPIRE', KEYS[2], math.max(tonumber(ARGV[3]), redis.call('PTTL', KEYS[2])))
return redis.call('HLEN', KEYS[2])
