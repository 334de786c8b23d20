-- Say which ends' hosts are still to be told: as long as one of an end's deliveries is open.
--
-- KEYS  1 sessions  2 due  3 open  4 ledger
-- ARGV  1 JSON [[event, session], ...]
-- returns {session, ...}
local function opened(id)
  if redis.call('ZSCORE', KEYS[3], id) then return true end
  local packed = redis.call('HGET', KEYS[4], id)
  local record = packed and cjson.decode(packed)
  -- A digest has its members told.
  return record and record.state == 'digested' and record.digest
    and redis.call('ZSCORE', KEYS[3], record.digest)
end
local owed = {}
for _, pair in ipairs(cjson.decode(ARGV[1])) do
  local event, id = pair[1], pair[2]
  local session = redis.call('ZSCORE', KEYS[2], event) and redis.call('HGET', KEYS[1], event)
  local is = (session and cjson.decode(session).id == id) or opened(id)
  local first = not is and redis.call('HGET', KEYS[4], id)
  for _, other in ipairs(first and cjson.decode(first).others or {}) do is = is or opened(other) end
  if is then owed[#owed + 1] = id end
end
return owed
