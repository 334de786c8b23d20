-- Note a viewer by name, who is there until a time or until it leaves: what no process holds.
--
-- Guests are a set, so a repeat of either changes nothing.
--
-- KEYS  1 holders  2 clients  3 sessions  4 due  5 stats  6 over  7 ledger  8 pulse  9 shared
--       10 held:guests  11 guests:EVENT  12 expiry  13 stragglers:EVENT  14 viewers  15 scratch
-- ARGV  1 "join", "seen", "leave" or "expire"   2 event   3 guest
--       4 ms until the guest is gone by itself   5 session to begin   6 delay in ms
--       7 the context of the trace of an end that begins by this, or ""
-- returns {now, {event, change, session, clients, due or "", started, peak}, guests who came, guests who went}
--- include clock
--- include fresh
--- include apply
--- include meet
local came, went = 0, 0
local act, until_ = ARGV[1], after + tonumber(ARGV[4])
-- A player of a session that was stopped may fetch on: while it does, it is no viewer.
local gone = act == 'seen' and redis.call('ZSCORE', KEYS[13], ARGV[3])
if gone and tonumber(gone) > now then
  redis.call('ZADD', KEYS[13], until_, ARGV[3])
elseif act == 'join' or act == 'seen' then
  redis.call('ZREM', KEYS[13], ARGV[3])
  came = redis.call('ZADD', KEYS[11], 'GT', until_, ARGV[3])
elseif act == 'leave' then
  redis.call('ZREM', KEYS[13], ARGV[3])
  went = redis.call('ZREM', KEYS[11], ARGV[3])
end
went = went + redis.call('ZREMRANGEBYSCORE', KEYS[11], '-inf', now)
local first = redis.call('ZRANGE', KEYS[11], 0, 0, 'WITHSCORES')
if first[2] then
  redis.call('ZADD', KEYS[12], first[2], ARGV[2])
else
  redis.call('ZREM', KEYS[12], ARGV[2])
end
local row = apply(KEYS[10], ARGV[2], redis.call('ZCARD', KEYS[11]), ARGV[5], tonumber(ARGV[6]), 0, 0,
  went > 0 and after or 0, ARGV[7] ~= '' and ARGV[7] or nil)
if came > 0 then meet(ARGV[2], {ARGV[3]}, KEYS[14], KEYS[15]) end
return {after, row, came, went}
