-- Pause or resume a schedule, unless it was deleted or has ended.
-- KEYS schedules:<id>, the sorted set of due times, the set of paused schedules
-- ARGV next (or '' to pause), its unix seconds, times (all that are known, the next one first)
-- returns 1 or 0
local schedule, due, paused = KEYS[1], KEYS[2], KEYS[3]
if (redis.call('HGET', schedule, 'next') or '') == '' then return 0 end
if ARGV[1] == '' then
  redis.call('ZREM', due, schedule) -- this frees memory, so that a full Redis accepts the next commands
  redis.call('HSET', schedule, 'paused', 1)
  redis.call('SADD', paused, schedule)
else
  redis.call('HDEL', schedule, 'paused')
  redis.call('HSET', schedule, 'next', ARGV[1], 'times', ARGV[3])
  redis.call('SREM', paused, schedule)
  redis.call('ZADD', due, ARGV[2], schedule)
end
return 1
