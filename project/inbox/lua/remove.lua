-- Remove a message to submit it, and keep a copy for put_back.lua.
-- KEYS inbox, the key of the copy
-- ARGV message, seconds that the copy is kept if it is not deleted
-- returns 1, or 0 if another producer was faster
if redis.call('LREM', KEYS[1], -1, ARGV[1]) == 0 then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
return 1
