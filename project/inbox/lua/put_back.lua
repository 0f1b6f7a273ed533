-- Put a message back as the next one: it was taken out of the inbox, and could not be submitted.
-- KEYS inbox
-- ARGV message
-- returns the length of the inbox
redis.call('PERSIST', KEYS[1]) -- changes nothing, but lets the rest write though Redis is full, see common.lua
return redis.call('RPUSH', KEYS[1], ARGV[1])
