-- fresh: name another session than one that was told: two notices never share a name.
--
-- KEYS  7 ledger   (of the first nine of its callers)
-- another: the name that comes after a name; always the same.
local function another(id) return redis.sha1hex(id):sub(1, 16) end

local function fresh(id)
  repeat id = another(id) until redis.call('HEXISTS', KEYS[7], id) == 0
  return id
end
