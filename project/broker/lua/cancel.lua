-- Cancel a job that waits; its entry in the list stays behind and is skipped when its turn comes.
-- KEYS job:<id>
-- ARGV id, ttl
-- returns the status the job had, or nothing for an unknown job
local status, task, queue = unpack(redis.call('HMGET', KEYS[1], 'status', 'task', 'queue'))
if WAITING[status] then
  redis.call('ZREM', 'delayed:' .. queue, ARGV[1])
  finish(ARGV[1], task, queue, 'REVOKED', {}, ARGV[2])
end
return status
