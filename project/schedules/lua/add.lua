-- Store a schedule, unless there are too many; it replaces one with the same id, and is paused if that one was.
-- KEYS schedules:<id>, the index, the sorted set of due times, the set of paused schedules
-- ARGV limit (how many may be active or paused, or 0 for any number), created (unix seconds), definition, secret (or ''),
--      next, its unix seconds, times (all that are known, the next one first)
-- returns 1, or 0 if there are too many
local schedule, index, due, paused = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local limit, created, definition, secret, following, seconds, times = unpack(ARGV)
local is_paused = redis.call('SISMEMBER', paused, schedule) == 1
if redis.call('TYPE', schedule).ok == 'hash' and redis.call('HEXISTS', schedule, 'paused') == 1 then is_paused = true end
local is_new = not is_paused and not redis.call('ZSCORE', due, schedule)
local kept = redis.call('ZCARD', due) + redis.call('SCARD', paused)
if is_new and tonumber(limit) > 0 and kept >= tonumber(limit) then return 0 end
redis.call('ZADD', index, created, schedule) -- before DEL: if Redis is full, this command fails, and nothing is lost
redis.call('DEL', schedule)
redis.call('HSET', schedule, 'definition', definition, 'next', following, 'times', times)
if secret ~= '' then redis.call('HSET', schedule, 'secret', secret) end
if is_paused then
  redis.call('HSET', schedule, 'paused', 1)
  redis.call('SADD', paused, schedule)
else
  redis.call('ZADD', due, seconds, schedule)
end
return 1
