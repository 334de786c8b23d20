-- Say which ends' hosts are still to be told: as long as one of an end's deliveries is open.
--
-- KEYS  1 sessions  2 due  3 open  4 ledger
-- ARGV  1 JSON [[event, session], ...]
-- returns {{session, ms until it is due (negative: since), shares as JSON}, ...}: [[delivery,
--         channel, state], ...] where an end has several deliveries and one is settled, else ""
--- include clock
local function read(id)
  local packed = redis.call('HGET', KEYS[4], id)
  return packed and cjson.decode(packed)
end
-- The state of a delivery: "pending" while it is open. A digest has its members told.
local function state(id, record)
  local open = redis.call('ZSCORE', KEYS[3], id)
  if not open and record and record.state == 'digested' and record.digest then
    open = redis.call('ZSCORE', KEYS[3], record.digest)
  end
  return open and 'pending' or record and record.state
end
local owed = {}
for _, pair in ipairs(cjson.decode(ARGV[1])) do
  local event, id = pair[1], pair[2]
  local due = redis.call('ZSCORE', KEYS[2], event)
  local session, first = due and redis.call('HGET', KEYS[1], event), read(id)
  local open, done, shares = session and cjson.decode(session).id == id, false, {}
  local left = (open and tonumber(due) or first and first.due or now) - now
  local ids = {id, unpack(first and first.others or {})}
  for _, delivery in ipairs(ids) do
    local record = read(delivery)
    local is = state(delivery, record)
    open, done = open or is == 'pending', done or (is and is ~= 'pending')
    if record then shares[#shares + 1] = {delivery, record.channel, is} end
  end
  if open then owed[#owed + 1] = {id, left, done and #shares > 1 and cjson.encode(shares) or ''} end
end
return owed
