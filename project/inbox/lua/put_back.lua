-- Put a removed message back as the next one, because it could not be submitted.
-- KEYS inbox
-- ARGV message
-- returns the length of the inbox
redis.call('PERSIST', KEYS[1]) -- changes nothing, but allows the following write although Redis is full, see common.lua
return redis.call('RPUSH', KEYS[1], ARGV[1])
