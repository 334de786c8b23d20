-- move: put a delivery into a state, where the number in each state is known without counting.
--
-- owed   the keys of those that are owed, by state: pending, sending, retrying
local function move(owed, stats, record, state)
  local old, id = record.state, record.id or record.session
  record.state = state
  if old == state then return end
  if owed[old] then redis.call('ZREM', owed[old], id) end
  if old and not owed[old] then redis.call('HINCRBY', stats, 'deliveries|' .. old, -1) end
  if owed[state] then
    redis.call('ZADD', owed[state], record.due, id)
  else
    redis.call('HINCRBY', stats, 'deliveries|' .. state, 1)
  end
end
