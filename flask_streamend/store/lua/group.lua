-- Have a delivery wait for its host's digest, which is made with its first member.
--
-- A member waits a while longer than its digest: it comes up by itself where that was lost.
--
-- KEYS  1 open  2 ledger  3 pulse  4 stats  5 closed  6 failing  7 exemplars
--       8 pending  9 sending  10 retrying  11 digests
-- ARGV  1 delivery   2 owner   3 whose digest: a name that tells nobody who that is   4 channel
--       5 ms that a digest waits for more   6 members at the most   7 ms a member waits longer
-- returns {digest, due, ms until then, 1 if it was made now}
--         {}: the delivery is no longer the caller's, or was attempted already
--- include clock
--- include beside
local packed = redis.call('HGET', KEYS[2], ARGV[1])
if not packed then return {} end
local record = cjson.decode(packed)
if record.owner ~= ARGV[2] or record.state ~= 'pending' then return {} end
local whose = ARGV[3] .. '|' .. ARGV[4]

-- A digest that takes more, by its id: none whose outcome was put back, ungathered.
local function open(id)
  local found = id and redis.call('HGET', KEYS[2], id)
  local digest = found and cjson.decode(found)
  return digest and not digest.settled and digest or nil
end

local id, made = record.digest, 0
local digest = open(id)
if not digest then
  id, record.digest = redis.call('HGET', KEYS[11], whose), nil
  digest = open(id)
  if digest and #digest.members >= tonumber(ARGV[6]) then digest = nil end
end
if not digest then
  id, made = 'digest-' .. ARGV[1], 1
  digest = beside(id, record, record.due + tonumber(ARGV[5]), ARGV[4], KEYS[4], KEYS[2], KEYS[8])
  digest.clients, digest.members, digest.whose, digest.again = 0, {}, whose, true
  redis.call('ZADD', KEYS[1], digest.due, id)
  redis.call('HSET', KEYS[11], whose, id)
end
if not record.digest then
  digest.members[#digest.members + 1] = {
    id = ARGV[1], event = record.event, session = record.session, due = record.due,
    clients = record.clients, started = record.started, peak = record.peak, unique = record.unique,
  }
  redis.call('HSET', KEYS[2], id, cjson.encode(digest))
end
record.digest, record.channel, record.owner = id, ARGV[4], nil
redis.call('HSET', KEYS[2], ARGV[1], cjson.encode(record))
redis.call('ZADD', KEYS[1], math.max(now, digest.due) + tonumber(ARGV[7]), ARGV[1])
-- It is not overdue before its digest is.
redis.call('ZADD', KEYS[8], digest.due, ARGV[1])
return {id, digest.due, math.max(0, digest.due - now), made}
