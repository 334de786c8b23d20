-- Put back what a process kept of ends while Redis was away, or which Redis has lost.
--
-- A repeat changes nothing: what the ledger knows of a session counts, except that something told
-- meanwhile is told. An end that could not be claimed while Redis was away is resumed by whoever
-- came since, as one that nobody claimed in time always is.
--
-- KEYS  1 holders  2 clients  3 sessions  4 due  5 stats  6 over  7 ledger  8 pulse  9 shared
--       10 open  11 pending  12 sending  13 retrying  14 closed  15 held:HOLDER  16 viewers
-- ARGV  1 holder   2 ms for which its own attempts in progress stay its own
--       3 JSON [[event, session, ms since it began, peak, viewers who were there at the end,
--         ms until it is due (negative: since), state, channel, error, attempts, the context of
--         its trace or "", unique viewers or -1, delivery where it is not the end's first, or "",
--         why it ends, as in lib_apply.lua],
--         ...]
--         with state "ending", or as in the ledger
--       4 the number of the holder's last report
--       5 the store's time when the holder said this, as it knows it, or "": just now
-- returns how many were put back
--- include clock
--- include pulse
--- include bounds
--- include observe
--- include deliver
--- include fresh
--- include move
--- include beside
local settled = {sent = true, skipped = true, dead = true, digested = true}
local owed = {pending = KEYS[11], sending = KEYS[12], retrying = KEYS[13]}
-- Of one session, what was told and what is put back differ by this many ms at the most: calls take
-- a while, and move what they say is past.
local slack = 100
-- How long this was on its way, 5 s at the most: by so much its instants come out too late.
local late = math.min(5000, math.max(0, now - tonumber(ARGV[5] ~= '' and ARGV[5] or now)))
local gap, put = pulse('', 0, 0).gap, 0
-- Delayed on its way: the holder has put back all this, and reported, since.
if tonumber(redis.call('HGET', KEYS[15], '#seq') or '0') > tonumber(ARGV[4]) then return 0 end

-- Of what two stores have seen of one session, neither is the whole.
local function most(one, other) return one and other and math.max(one, other) or one or other end

local function read(id)
  local packed = redis.call('HGET', KEYS[7], id)
  return packed and cjson.decode(packed)
end

-- Whether a record is of a later end than one that was due then, as viewers were there after that:
-- its session went on in a store that knew nothing of what was told. What was put back as told itself
-- says nothing of that.
local function later(record, due)
  return record and not record.put and (record.last or 0) > due + slack
end

-- Have a later end make room for one of its name: nobody knows of it by that, or has tried to tell it.
-- Its new name is none that a session gets which comes after another.
local function made_room(record)
  if record.settled or record.attempts > 0 or record.channel ~= '' then return false end
  local id, key = record.session, owed[record.state]
  record.session, record.owner = fresh(id .. ' went on'), nil
  redis.call('HDEL', KEYS[7], id)
  redis.call('HSET', KEYS[7], record.session, cjson.encode(record))
  redis.call('ZREM', KEYS[10], id)
  redis.call('ZADD', KEYS[10], now, record.session)
  redis.call('ZREM', key, id)
  redis.call('ZADD', key, record.due, record.session)
  return true
end

local function settle(record, state, channel, error)
  move(owed, KEYS[5], record, state)
  record.settled, record.owner = now, nil
  record.channel, record.error = channel, error
  local id = record.id or record.session
  redis.call('HSET', KEYS[7], id, cjson.encode(record))
  redis.call('ZREM', KEYS[10], id)
  redis.call('ZADD', KEYS[14], now, id)
end

-- What is known of a delivery's state, by who tried it.
local function know(record, state, channel, error, attempts)
  if settled[state] then return settle(record, state, channel, error) end
  local id = record.id or record.session
  move(owed, KEYS[5], record, state)
  record.attempts = attempts
  redis.call('HSET', KEYS[7], id, cjson.encode(record))
  redis.call('ZADD', KEYS[10], state == 'sending' and now + tonumber(ARGV[2]) or now, id)
end

-- A delivery beside the end's first one: of the session itself it says nothing.
local function put_beside(kept)
  local id, due, first = kept[13], after + kept[6], read(kept[2])
  if later(first, due) and not (settled[kept[7]] and made_room(first)) then return 0 end
  local record, new = read(id), 0
  if not record then
    record = beside(id, {event = kept[1], session = kept[2], started = after - kept[3],
      peak = kept[4], clients = kept[5], trace = kept[11] ~= '' and kept[11] or nil, unique = kept[12] >= 0 and kept[12] or nil},
      due, kept[8], KEYS[5], KEYS[7], KEYS[11])
    record.error, record.owner, new = kept[9], ARGV[1], 1
    beside_end(KEYS[7], kept[2], id)
  elseif record.settled or (record.owner ~= ARGV[1] and not settled[kept[7]]) then
    return 0
  end
  know(record, kept[7], kept[8], kept[9], kept[10])
  return new
end

local function put_first(kept)
  local event, id, age, peak, clients, left = kept[1], kept[2], kept[3], kept[4], kept[5], kept[6]
  local state, channel, error, attempts = kept[7], kept[8], kept[9], kept[10]
  local due = after + left
  local packed = redis.call('HGET', KEYS[3], event)
  local session = packed and cjson.decode(packed)

  -- What the holder had of it at last contact has left since, or is reported after this.
  local stale = tonumber(redis.call('HGET', KEYS[15], event) or '0')
  if stale > 0 and session and session.id == id then
    redis.call('HDEL', KEYS[15], event)
    redis.call('HINCRBY', KEYS[5], 'clients', -stale)
    redis.call('ZINCRBY', KEYS[2], -stale, event)
  end
  local there = tonumber(redis.call('ZSCORE', KEYS[2], event) or '0')
  local record = read(id)
  local ends = tonumber(redis.call('ZSCORE', KEYS[4], event) or math.huge)
  local own = {id = id, started = after - age, peak = peak, delay = math.max(0, left),
    trace = kept[11] ~= '' and kept[11] or nil, unique = kept[12] >= 0 and kept[12] or nil,
    put = due - late, stopping = kept[14] == 'stopping' or nil, emptied = kept[14] == 'emptied' or nil}
  while state == 'ending' and record and record.put and due - late > record.due + slack do
    -- Told before this store knew of it, and somebody came after that. What this store had told it
    -- knows better than one who was away, and for whom an end may begin when it is heard of.
    id, own.started, own.peak, own.unique = another(id), math.max(own.started, record.due), 1, nil
    own.id, record = id, read(id)
  end
  if session and session.id == id then own.unique = most(own.unique, session.unique) end

  if state == 'ending' and not record then
    if not session then
      redis.call('HSET', KEYS[3], event, cjson.encode(own))
      redis.call('ZADD', KEYS[2], 0, event)
      redis.call('ZADD', KEYS[4], due, event)
      redis.call('HINCRBY', KEYS[5], 'sessions_begun', 1)
      put = put + 1
    elseif session.id == id or (own.started <= ends and session.started <= due) then
      local unique = most(own.unique, session.unique)
      local changed = unique ~= session.unique and 1 or 0
      session.unique, session.put = unique, math.max(session.put or 0, own.put)
      -- Somebody came back in time, to a process that knew nothing of this session: it is the one.
      if own.started < session.started then
        session.id, session.started = id, own.started
        session.peak = math.max(session.peak, own.peak)
        changed = 1
      end
      if own.stopping and not session.published then
        -- Whoever watches. (Where a publisher came since, it goes on.)
        if not session.stopping or due > ends then
          session.stopping, session.emptied, session.trace = true, nil, own.trace
          redis.call('ZADD', KEYS[4], due, event)
          changed = 1
        end
        redis.call('HSET', KEYS[3], event, cjson.encode(session))
        put = put + changed
        return
      end
      if there > 0 and due - session.delay > (session.left or 0) then
        session.left = due - session.delay
        changed = 1
      end
      redis.call('HSET', KEYS[3], event, cjson.encode(session))
      -- Two may have seen somebody leave: the last leave counts.
      due = math.max(due, (session.left or 0) + session.delay)
      local decides = not own.stopping and not session.stopping and not session.kept
      if there == 0 and decides and (ends == math.huge or ends < due) then
        redis.call('ZADD', KEYS[4], due, event)
        session.trace, session.emptied = own.trace, own.emptied
        redis.call('HSET', KEYS[3], event, cjson.encode(session))
        changed = 1
      end
      put = put + changed
    elseif own.started > ends then
      -- One after the other: what could not be claimed is resumed by who came since.
      if gap == 0 then
        redis.call('HINCRBY', KEYS[5], 'sessions_begun', 1)
        redis.call('HINCRBY', KEYS[5], 'grace_periods|ended', 1)
        deliver(event, session, ends, 0, KEYS[10], KEYS[11])
      end
      redis.call('HDEL', KEYS[16], event)
      redis.call('HSET', KEYS[3], event, cjson.encode(own))
      redis.call('ZADD', KEYS[4], due, event)
      put = put + 1
    elseif gap == 0 then
      redis.call('HINCRBY', KEYS[5], 'sessions_begun', 1)
      redis.call('HINCRBY', KEYS[5], 'grace_periods|ended', 1)
      deliver(event, own, due, 0, KEYS[10], KEYS[11])
      put = put + 1
    end
  elseif state ~= 'ending' then
    local other = later(record, due)
    if other and settled[state] and made_room(record) then record, other = nil, false end
    if not record then
      if session and session.id == id then
        redis.call('HDEL', KEYS[16], event)
        -- Over by this. Who is there, or was within the grace period, elsewhere, watches another
        -- session.
        local last = math.max((session.left or 0) + session.delay, session.put or 0)
        if there > 0 or last > due + slack then
          session.id, session.started = fresh(id), there > 0 and after or math.max(session.started, due)
          session.peak, session.unique = math.max(1, there), nil
          redis.call('HSET', KEYS[3], event, cjson.encode(session))
          redis.call('HINCRBY', KEYS[5], 'sessions_begun', 1)
        else
          redis.call('HDEL', KEYS[3], event)
          redis.call('ZREM', KEYS[2], event)
          redis.call('ZREM', KEYS[4], event)
          redis.call('ZREM', KEYS[9], event)
        end
      else
        redis.call('HINCRBY', KEYS[5], 'sessions_begun', 1)
      end
      deliver(event, own, due, clients, KEYS[10], KEYS[11])
      record = read(id)
      record.attempts, record.channel, record.error = attempts, channel, error
      record.owner, record.put, put = ARGV[1], true, put + 1
    elseif other or record.settled or (record.owner ~= ARGV[1] and not settled[state]) then
      record = nil
    end
    if record then know(record, state, channel, error, attempts) end
  end

  -- Whatever the session is by now: nobody may be left who would report that it is empty.
  packed = redis.call('HGET', KEYS[3], event)
  local left_over = packed and cjson.decode(packed)
  -- Save where a publisher is there, to stop it.
  local lasts = left_over and (left_over.kept or (left_over.published and left_over.peak == 0))
  if left_over and not lasts and there == 0 and not redis.call('ZSCORE', KEYS[4], event) then
    left_over.emptied = true
    redis.call('HSET', KEYS[3], event, cjson.encode(left_over))
    redis.call('ZADD', KEYS[4], after + left_over.delay, event)
  end
end

for _, kept in ipairs(cjson.decode(ARGV[3])) do
  if kept[13] ~= '' then put = put + put_beside(kept) else put_first(kept) end
end
return put
