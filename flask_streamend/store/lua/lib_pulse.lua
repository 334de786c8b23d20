-- pulse: notice that nobody could report for a while; then claims and reaps wait for everybody.
--
-- Redis hung, was cut off, restarted or came back empty, or its clock jumped: viewers may have come
-- of whom it knows nothing yet. Such a gap is over when every holder has reported since it was
-- noticed, or after one lease. A Redis that was emptied, restarted or replaced waits the whole lease:
-- it does not know all holders, or not all that they had reported.
--
-- KEYS  1 holders  3 sessions  8 pulse   (of the first nine of its callers)
-- knew   the epoch the caller knew before, or ""
-- lease  in ms, or 0 of a caller that has none
-- quiet  ms within which the caller is heard of again, or 0 of a caller that does not beat
-- returns {epoch = the name of this life of the store, gap = ms to wait, hold = ms to wait,
--          from = when the gap was noticed, fresh = a lease to then or later is newer than that}
local function pulse(knew, lease, quiet)
  local p = redis.call('HMGET', KEYS[8],
    'epoch', 'awake', 'lease', 'from', 'till', 'whole', 'hold', 'run', 'seen')
  local epoch, awake = p[1], tonumber(p[2] or '0')
  if lease == 0 then lease = tonumber(p[3] or '15000') end
  local from, till, whole = tonumber(p[4] or '0'), tonumber(p[5] or '0'), p[6] == '1'
  local hold, seen = tonumber(p[7] or '0'), p[9]
  local holders = redis.call('ZCARD', KEYS[1])
  -- Which server this is: another one, or the same restarted, may lack the last writes.
  local info = redis.pcall('INFO', 'server')
  info = type(info) == 'string' and info or ''
  local run = (info:match('run_id:(%w+)') or ''):sub(1, 8)
  local name
  if not epoch then
    epoch = redis.sha1hex(time[1] .. ' ' .. time[2]):sub(1, 16)
    name, seen = epoch .. run, ''
    -- Just started, so perhaps restarted empty: who lives is back within a beat and a time-out.
    from, till = now, now + math.max(0, 5000 - tonumber(info:match('uptime_in_seconds:(%d+)') or 5) * 1000)
    awake, whole = till + 5000, till > now
  else
    name = epoch .. run
    -- One that was emptied may have forgotten whom it is to wait for.
    if now > awake and (holders + redis.call('HLEN', KEYS[3]) > 0 or seen == name) then
      -- Nobody could use a wait for holders that are not known: it begins anew.
      whole = holders == 0 or (whole and till > awake - 5000)
      from, till = now, math.max(till, now + lease)
      awake = till + 5000
    end
    if p[8] ~= run then knew = 'another' end
  end
  -- Once for each life: who comes later finds that it was noticed.
  if knew ~= '' and knew ~= name and seen ~= name then
    seen, from, till, whole = name, now, math.max(till, now + lease), true
  end
  -- One who beats seldom, beside a lease, speaks for nobody else: only where no process lives.
  if quiet > 0 then
    local speaks = quiet <= math.min(5000, lease / 2) or redis.call('ZCOUNT', KEYS[1], now, '+inf') == 0
    awake = speaks and now + quiet or math.min(awake, now + quiet)
  end
  redis.call('HSET', KEYS[8], 'epoch', epoch, 'awake', awake, 'lease', lease, 'from', from,
    'till', till, 'whole', whole and '1' or '0', 'run', run, 'seen', seen)
  local gap = math.max(0, till - now)
  if gap > 0 and not whole and redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. (from + lease)) == 0 then
    gap = 0
  end
  return {epoch = name, gap = gap, hold = math.max(0, hold - now), fresh = from + lease, from = from}
end
