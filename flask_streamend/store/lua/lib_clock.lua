-- The store's clock, in whole milliseconds.
local time = redis.call('TIME')
-- Rounded down to judge whether an instant has come, up to count a grace period from now: so no
-- grace period is ever a fraction of a millisecond short.
local now = math.floor(time[1] * 1000 + time[2] / 1000)
local after = math.ceil(time[1] * 1000 + time[2] / 1000)
