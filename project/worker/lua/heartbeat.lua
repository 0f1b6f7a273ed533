-- Note that a consumer is up.
-- KEYS consumer:<name>, the set of names
-- ARGV name, description (JSON), ttl (seconds)
-- returns 1
redis.call('DEL', KEYS[1]) -- frees memory, so that a full Redis lets the rest write: see common.lua
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
redis.call('SADD', KEYS[2], ARGV[1])
return 1
