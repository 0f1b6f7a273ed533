-- Say that a consumer is there.
-- KEYS consumer:<name>, the set of names
-- ARGV name, what is told about it (JSON), ttl (seconds until it is forgotten)
-- returns 1
redis.call('DEL', KEYS[1]) -- first what frees memory, so that a full Redis lets the rest write: see common.lua
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
redis.call('SADD', KEYS[2], ARGV[1])
return 1
