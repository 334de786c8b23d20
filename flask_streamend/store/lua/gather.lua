-- Freeze a digest's members, at its first attempt, and leave out whom there is no notice for.
--
-- KEYS  1 open  2 ledger  3 pulse  4 stats  5 closed  6 failing  7 exemplars
--       8 pending  9 sending  10 retrying  11 digests
-- ARGV  1 the digest's delivery   2 owner   3 ms for which it stays leased
--       4 JSON {member: why it is left out}
-- returns its members as JSON; "" where it is no longer the caller's
--- include clock
--- include move
local owed = {pending = KEYS[8], sending = KEYS[9], retrying = KEYS[10]}
local packed = redis.call('HGET', KEYS[2], ARGV[1])
if not packed then return '' end
local digest = cjson.decode(packed)
if digest.owner ~= ARGV[2] then return '' end

-- Settle a member as its digest settles it; nil where it isn't in the state it must be in.
local function settle(member, from, state, error)
  local last = redis.call('HGET', KEYS[2], member.id)
  local record = last and cjson.decode(last)
  if not record or record.state ~= from or record.digest ~= ARGV[1] then return nil end
  move(owed, KEYS[4], record, state)
  record.settled, record.owner, record.error = now, nil, error
  redis.call('HSET', KEYS[2], member.id, cjson.encode(record))
  redis.call('ZREM', KEYS[1], member.id)
  redis.call('ZADD', KEYS[5], now, member.id)
  return member
end

if not digest.frozen then
  local frozen = {}
  for _, member in ipairs(digest.members) do
    frozen[#frozen + 1] = settle(member, 'pending', 'digested', '')
  end
  digest.members, digest.frozen = frozen, true
  if redis.call('HGET', KEYS[11], digest.whose) == ARGV[1] then
    redis.call('HDEL', KEYS[11], digest.whose)
  end
end
local out = cjson.decode(ARGV[4])
for _, member in ipairs(digest.members) do
  if out[member.id] and not member.out then
    member.out = out[member.id]
    redis.call('HINCRBY', KEYS[4], 'skips|' .. member.out, 1)
    settle(member, 'digested', 'skipped', member.out)
  end
end
redis.call('HSET', KEYS[2], ARGV[1], cjson.encode(digest))
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
return cjson.encode(digest.members)
