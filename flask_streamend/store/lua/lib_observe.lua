-- observe: count a value into a histogram; `bounds` has each one's, by the first part of its name.
--
-- returns the bound of the value's bucket, or "Inf"
local function observe(stats, name, value)
  local found = 'Inf'
  for _, bound in ipairs(bounds[name:match('^[^|]+')]) do
    if value <= bound then
      found = bound
      redis.call('HINCRBY', stats, name .. '|' .. bound, 1)
      break
    end
  end
  redis.call('HINCRBY', stats, name .. '|count', 1)
  redis.call('HINCRBY', stats, name .. '|sum', value)
  return found
end
