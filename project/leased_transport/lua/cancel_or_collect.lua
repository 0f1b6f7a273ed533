-- Cancel a job that waits or runs, or collect one that has ended: return its record and delete it.
-- KEYS job:<id>
-- ARGV id, task ('' = any), ttl, forget (1 = only delete the record of a job that has ended, even if it was revoked)
-- returns action ('busy' for a job that cannot be forgotten yet), token and the record (field, value, ...);
-- nothing if the job is unknown, revoked or of another task: a record without a task is no job yet
local key, id = KEYS[1], ARGV[1]
local status, task, queue, token, step =
  unpack(redis.call('HMGET', key, 'status', 'task', 'queue', 'token', 'step'))
queue = queue or '' -- a damaged record may lack it, and have a token that is not a number; it can be deleted all the same
local forget = ARGV[4] == '1'
if not status or not task or (status == 'REVOKED' and not forget) or (ARGV[2] ~= '' and ARGV[2] ~= task) then return end
if forget and not FINAL[status] then return {'busy', token, redis.call('HGETALL', key)} end
local action = 'collected'
try('SREM', 'broker:' .. (redis.call('HGET', key, 'broker') or ''), id)
if FINAL[status] then
  local record = redis.call('HGETALL', key)
  redis.call('DEL', key)
  if tonumber(token or '') then -- fences off a late report of this job from the next job with this id
    redis.call('HSET', key, 'token', token + 1, 'returned', token + 1)
    redis.call('EXPIRE', key, ARGV[3])
  end
  redis.pcall('ZREM', 'jobs:recent', id) -- pcall: as in list_recent()
  return {action, token, record}
elseif WAITING[status] then
  action = 'cancelled'
  leave(queue, step, id) -- a stale entry would count as a waiting job
else
  action = 'stopped'
  try('ZREM', 'leases:' .. queue, id)
end
finish(id, task, queue, 'REVOKED', {}, ARGV[3])
return {action, token, redis.call('HGETALL', key)}
