-- Note a viewer by name, or a publisher, who is there until a time or until it leaves: what no process
-- holds.
--
-- Guests are a set, so a repeat changes nothing. Of "in" and "out" one may overtake the other on its
-- way: an out that found nobody is remembered, and the in that it overtook lets nobody in.
--
-- KEYS  1 holders  2 clients  3 sessions  4 due  5 stats  6 over  7 ledger  8 pulse  9 shared
--       10 held:guests  11 guests:EVENT  12 expiry  13 stragglers:EVENT  14 viewers  15 scratch
--       16 publishers:EVENT  17 outs:EVENT
-- ARGV  1 "join", "seen", "leave", "expire", "in", "out", "publish", "unpublish", "lose" or "renew"
--       2 event   3 guest
--       4 ms until the guest is gone by itself; to "lose": the instant it was noted for
--       5 session to begin   6 delay in ms
--       7 the context of the trace of an end that begins by this, or ""
--       8 ms for which an out is remembered
--       9 "1": a session with a publisher lasts until that stops, whoever watches
-- returns {now, {event, change, session, clients, due or "", started, peak, why it ends}, guests who came, guests who went}
--- include clock
--- include fresh
--- include apply
--- include meet
local act, event, guest = ARGV[1], ARGV[2], ARGV[3]
local came, went, until_ = 0, 0, after + tonumber(ARGV[4])
local publishes = act == 'publish' or act == 'unpublish'
local key = publishes and KEYS[16] or KEYS[11]
local published = redis.call('ZCARD', KEYS[16])
redis.call('ZREMRANGEBYSCORE', KEYS[17], '-inf', now)
-- A player of a session that was stopped may fetch on: while it does, it is no viewer.
local gone = act == 'seen' and redis.call('ZSCORE', KEYS[13], guest)
local early = (act == 'in' or act == 'publish') and redis.call('ZREM', KEYS[17], 'early ' .. act .. guest) == 1
if gone and tonumber(gone) > now then
  redis.call('ZADD', KEYS[13], until_, guest)
elseif (act == 'join' or act == 'seen' or act == 'in' or act == 'publish') and not early then
  if not publishes then redis.call('ZREM', KEYS[13], guest) end
  redis.call('ZREM', KEYS[17], 'left ' .. act .. guest)
  came = redis.call('ZADD', key, 'GT', until_, guest)
elseif act == 'leave' or act == 'out' or act == 'unpublish' then
  local was = publishes and 0 or redis.call('ZREM', KEYS[13], guest)
  went = redis.call('ZREM', key, guest)
  if act ~= 'leave' then
    local name = (act == 'out' and 'in' or 'publish') .. guest
    if went + was > 0 then
      redis.call('ZREM', KEYS[17], 'early ' .. name)
      redis.call('ZADD', KEYS[17], now + tonumber(ARGV[8]), 'left ' .. name)
    elseif not redis.call('ZSCORE', KEYS[17], 'left ' .. name) then
      redis.call('ZADD', KEYS[17], now + tonumber(ARGV[8]), 'early ' .. name)
    end
    redis.call('PEXPIRE', KEYS[17], ARGV[8])
  end
elseif act == 'renew' then
  redis.call('ZADD', KEYS[11], 'XX', 'GT', until_, guest)
  redis.call('ZADD', KEYS[16], 'XX', 'GT', until_, guest)
elseif act == 'lose' then
  for i, key in ipairs({KEYS[11], KEYS[16]}) do
    local noted = redis.call('ZSCORE', key, guest)
    if noted and tonumber(noted) == tonumber(ARGV[4]) then
      redis.call('ZREM', key, guest)
      if i == 1 then went = went + 1 end
    end
  end
end
if publishes then came, went = 0, 0 end
went = went + redis.call('ZREMRANGEBYSCORE', KEYS[11], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[16], '-inf', now)
local first
for _, key in ipairs({KEYS[11], KEYS[16]}) do
  local one = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
  if one and (not first or tonumber(one) < tonumber(first)) then first = one end
end
if first then redis.call('ZADD', KEYS[12], first, event) else redis.call('ZREM', KEYS[12], event) end

local row
local trace = ARGV[7] ~= '' and ARGV[7] or nil
if not publishes or went > 0 then
  row = apply(KEYS[10], event, redis.call('ZCARD', KEYS[11]), ARGV[5], tonumber(ARGV[6]), 0, 0,
    went > 0 and after or 0, trace)
  -- A streaming server's connection is nobody by name.
  if came > 0 and act ~= 'in' then meet(event, {guest}, KEYS[14], KEYS[15]) end
end

-- What its publishers mean to the session.
local publishing = redis.call('ZCARD', KEYS[16])
local packed = redis.call('HGET', KEYS[3], event)
local session = packed and cjson.decode(packed)
local clients = tonumber(redis.call('ZSCORE', KEYS[2], event) or '0')
local due, change = redis.call('ZSCORE', KEYS[4], event), 'none'
local starts = act == 'publish' and not early and publishing > 0
local stops = published > 0 and publishing == 0 and session
if starts then
  if not session then
    local told = redis.call('HEXISTS', KEYS[7], ARGV[5]) == 1
    session = {id = told and fresh(ARGV[5]) or ARGV[5], started = after, peak = 0, delay = tonumber(ARGV[6])}
    redis.call('ZADD', KEYS[2], 0, event)
    redis.call('HINCRBY', KEYS[5], 'sessions_begun', 1)
    change = 'started'
  end
  session.published = true
  if ARGV[9] == '1' then session.kept = true end
  if due and (session.stopping or session.kept) then
    redis.call('ZREM', KEYS[4], event)
    redis.call('HINCRBY', KEYS[5], 'grace_periods|resumed', 1)
    due, change, session.trace, session.emptied, session.stopping = false, 'resumed', nil, nil, nil
    -- Back, and those who watched are gone: that is an end to be by itself.
    if clients == 0 and not session.kept and session.peak > 0 then
      due, change, session.emptied = after + session.delay, 'ending', true
    end
  end
elseif stops then
  if tonumber(ARGV[6]) >= 0 then session.delay = tonumber(ARGV[6]) end
  due, change, session.stopping, session.trace = after + session.delay, 'ending', true, trace
  session.published = nil
end
if starts or stops then
  if due then redis.call('ZADD', KEYS[4], due, event) end
  redis.call('HSET', KEYS[3], event, cjson.encode(session))
  row = nil
end
return {after, row or row_of(event, change, session, clients, due), came, went}
