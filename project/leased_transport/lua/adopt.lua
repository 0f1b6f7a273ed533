-- Move jobs from another kind of broker to the leased queues; their messages in that broker are invalid from then on.
-- KEYS broker:<kind> (the ids of that broker's jobs)
-- ARGV kind, id...
-- returns how many jobs were moved
local kind, moved = ARGV[1], 0

local function adopt(id)
  local key = 'job:' .. id
  local status, task, queue, step, broker, queued, consumer =
    unpack(redis.call('HMGET', key, 'status', 'task', 'queue', 'step', 'broker', 'queued', 'consumer'))
  if not status or FINAL[status] or broker ~= kind then return redis.call('SREM', KEYS[1], id) end
  if not queued or not (WAITING[status] or not is_up(consumer, broker)) or not is_intact(queue, step) then return end
  redis.call('SREM', KEYS[1], id)
  redis.call('HDEL', key, 'broker', 'queued', 'moving', 'claimed', 'progress')
  redis.call('HSET', key, 'nonce', 'leased')
  if WAITING[status] then
    if not redis.call('ZSCORE', 'delayed:' .. queue, id) then redis.call('LPUSH', list_of(queue, step), id) end
  else
    redis.call('ZREM', 'leases:' .. queue, id)
    log_run(id, 'moved')
    redis.call('HINCRBY', key, 'token', 1) -- fences off a run that may still go on
    redis.call('HINCRBY', key, 'returned', 1)
    redis.call('HSET', key, 'status', 'PENDING')
    redis.call('RPUSH', list_of(queue, step), id)
    count(queue, 'returned')
    announce(id, task, queue, 'PENDING')
  end
  wake(queue)
  moved = moved + 1
end

for i = 2, #ARGV do
  local id = ARGV[i]
  local ok, failure = pcall(adopt, id)
  if not ok then
    redis.call('SREM', KEYS[1], id)
    fail_damaged(id, nil, failure, 0)
  end
end
return moved
