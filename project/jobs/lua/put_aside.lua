-- Put a message aside that cannot become a job.
-- KEYS the list that it is in, the list for such messages
-- ARGV message, what is told about it, how many are kept
-- returns 1, or 0 if another producer was quicker
if redis.call('LREM', KEYS[1], -1, ARGV[1]) == 0 then return 0 end
redis.call('LPUSH', KEYS[2], ARGV[2])
redis.call('LTRIM', KEYS[2], 0, ARGV[3] - 1)
return 1
