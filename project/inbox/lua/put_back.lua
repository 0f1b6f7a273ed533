-- Put a removed message back as the next one, because it could not be submitted. A second call changes nothing.
-- KEYS inbox, the key of its copy
-- ARGV none
-- returns 1, or 0 if it was not removed, or is back already
local message = redis.call('GET', KEYS[2])
if not message then return 0 end
redis.call('DEL', KEYS[2]) -- first, because it frees memory: see common.lua
redis.call('RPUSH', KEYS[1], message)
return 1
