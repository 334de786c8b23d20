-- fresh: name another session than one that was told: two notices never share a name.
--
-- KEYS  7 ledger   (of the first nine of its callers)
local function fresh(id)
  repeat id = redis.sha1hex(id):sub(1, 16) until redis.call('HEXISTS', KEYS[7], id) == 0
  return id
end
