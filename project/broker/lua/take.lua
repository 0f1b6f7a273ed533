-- Take up to n waiting jobs and write their leases; wake another consumer when jobs remain.
-- What no admission put into the queue, but another program, goes to the list `inbox`.
-- KEYS queue... (in the order to serve)
-- ARGV n, lease (seconds), consumer, step... (most urgent first)
-- returns id, token, queue, task, message of each job taken, as one flat list
local want, lease, consumer = tonumber(ARGV[1]), ARGV[2], ARGV[3]
for _, queue in ipairs(KEYS) do -- what has become due joins its queue
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', 'delayed:' .. queue, '-inf', now, 'LIMIT', 0, 1000)) do
    redis.call('ZREM', 'delayed:' .. queue, id)
    redis.call('LPUSH', list_of(queue, redis.call('HGET', 'job:' .. id, 'step')), id)
  end
end
local taken, counts = {}, {}
local function take(queue, id)
  local key = 'job:' .. id
  local status, message, task = unpack(redis.call('HMGET', key, 'status', 'message', 'task'))
  -- No id, but what another program put here; counted, so that a step with many of them stays short.
  if not status and not id:find('^[%w._~-]+$') then want = want - 1; redis.call('LPUSH', 'inbox', id) end
  if not WAITING[status] then return end -- its record was given another end
  local token = redis.call('HINCRBY', key, 'token', 1)
  redis.call('HSET', key, 'status', 'STARTED', 'started_at', stamp, 'consumer', consumer)
  redis.call('ZADD', 'leases:' .. queue, now + lease, id)
  announce(id, task, queue, 'STARTED', consumer)
  for _, value in ipairs({id, token, queue, task, message}) do taken[#taken + 1] = value end
  want, counts[queue] = want - 1, (counts[queue] or 0) + 1
end
for i = 4, #ARGV do
  for _, queue in ipairs(KEYS) do
    while want > 0 do
      local ids = redis.call('RPOP', list_of(queue, ARGV[i]), want)
      if not ids or #ids == 0 then break end
      for _, id in ipairs(ids) do take(queue, id) end
    end
    if want == 0 and redis.call('EXISTS', list_of(queue, ARGV[i])) == 1 then ring(queue) end
  end
end
for queue, count in pairs(counts) do redis.call('HINCRBY', 'taken', queue, count) end
return taken
