-- Write cards, and drop those that have expired or are too many.
-- KEYS the index of cards (sorted set of digests, by the moment at which each expires)
-- ARGV ttl (seconds), the highest number of cards, then digest and text of each card
-- returns the number of cards
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', redis.call('TIME')[1])
local expires = redis.call('TIME')[1] + ARGV[1]
for at = 3, #ARGV, 2 do
  redis.call('SET', 'card:' .. ARGV[at], ARGV[at + 1], 'EX', ARGV[1])
  redis.call('ZADD', KEYS[1], expires, ARGV[at])
end
local excess = redis.call('ZCARD', KEYS[1]) - ARGV[2]
if excess > 0 then
  for _, digest in ipairs(redis.call('ZRANGE', KEYS[1], 0, excess - 1)) do
    redis.call('DEL', 'card:' .. digest)
    redis.call('ZREM', KEYS[1], digest)
  end
end
return redis.call('ZCARD', KEYS[1])
