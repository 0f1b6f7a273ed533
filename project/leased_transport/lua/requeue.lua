-- Queue a failed or cancelled job again under the same id.
-- KEYS job:<id>
-- ARGV id
-- returns 1, or 0 for a job in any other state
local status, task, queue, step, message =
  unpack(redis.call('HMGET', KEYS[1], 'status', 'task', 'queue', 'step', 'message'))
if not message or not (status == 'FAILURE' or status == 'REVOKED') then return 0 end
require_type('LLEN', list_of(queue, step)) -- before the first write: the job stays what it is
begin_anew(ARGV[1], status)
redis.call('HDEL', KEYS[1], 'deaths')
if redis.call('HDEL', KEYS[1], 'broker', 'queued') > 0 then -- invalidates its message in another broker
  redis.call('HSET', KEYS[1], 'nonce', 'leased')
end
redis.call('HSET', KEYS[1], 'status', 'PENDING')
redis.call('HINCRBY', KEYS[1], 'token', 1) -- fences off a run that may still go on
redis.call('HINCRBY', KEYS[1], 'returned', 1)
redis.call('PERSIST', KEYS[1])
redis.call('LPUSH', list_of(queue, step), ARGV[1])
wake(queue)
count(queue, 'accepted')
announce(ARGV[1], task, queue, 'PENDING')
return 1
