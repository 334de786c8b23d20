-- Take a turn at something that one at a time does; who had it last may go on.
--
-- KEYS  1 turn:WHAT
-- ARGV  1 who asks   2 ms after which another may
-- returns 1 if it is the asker's turn
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
