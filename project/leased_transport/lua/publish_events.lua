-- Publish a batch of Celery's events; return how many listen, and how many jobs per second begin in all consumers.
-- KEYS events:rate
-- ARGV channel, batch, jobs that began in this consumer since its last batch
-- returns the number of listeners, and the number of jobs in this second or in the one before, whichever is larger
local listeners = redis.call('PUBLISH', ARGV[1], ARGV[2])
if listeners == 0 then return {0, 0} end
local second = math.floor(now)
local key = KEYS[1] .. ':' .. second
if tonumber(ARGV[3]) > 0 then -- pcall: a Redis without free memory still passes events on
  redis.pcall('INCRBY', key, ARGV[3])
  redis.pcall('EXPIRE', key, 3)
end
local rates = redis.call('MGET', key, KEYS[1] .. ':' .. second - 1)
return {listeners, math.max(tonumber(rates[1] or 0), tonumber(rates[2] or 0))}
