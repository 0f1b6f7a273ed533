-- Note that this kind of broker has a job's message now; a consumer may have begun the job already.
-- KEYS job:<id>
-- ARGV id, kind, nonce, due (seconds, or '')
-- returns nothing
local key, id, kind, nonce, due = KEYS[1], unpack(ARGV)
local status, moving, task, queue = unpack(redis.call('HMGET', key, 'status', 'moving', 'task', 'queue'))
if moving ~= nonce then return end
set_message_location(id, kind, nonce)
if FINAL[status] then -- cancelled, or its message was discarded, such as an expired one
  try('SREM', 'broker:' .. kind, id)
  return
end
if not WAITING[status] then
  log_run(id, 'moved')
  redis.call('HINCRBY', key, 'token', 1) -- fences off a run that may still go on
  redis.call('HINCRBY', key, 'returned', 1)
  redis.call('HDEL', key, 'progress')
  redis.call('HSET', key, 'status', 'PENDING')
  count(queue, 'returned')
  announce(id, task, queue, 'PENDING')
end
if due ~= '' then try('ZADD', 'delayed:' .. queue, due, id) end
