-- Note that the broker has a job's message, or delete the job if it has not; a consumer may have begun it already.
-- KEYS job:<id>
-- ARGV id, nonce, sent (1 or ''), due (seconds or '')
-- returns 1, or 0 if another process sends a message for this id
local key, id, nonce, sent, due = KEYS[1], unpack(ARGV)
local status, mine, asked, queued, task, queue =
  unpack(redis.call('HMGET', key, 'status', 'nonce', 'asked', 'queued', 'task', 'queue'))
if mine ~= nonce then return 0 end
if sent == '' then
  if asked then
    redis.call('HDEL', key, 'asked')
  elseif not queued then
    redis.pcall('ZREM', 'jobs:recent', id) -- pcall: as in list_recent()
    redis.call('DEL', key)
  end
  return 1
end
if asked == nonce then -- a requeued job, which waits again from now on
  begin_anew(id, status)
  redis.call('HSET', key, 'status', 'PENDING')
  status = 'PENDING'
end
redis.call('HSET', key, 'queued', 1)
if due ~= '' then redis.call('HSET', key, 'due', due) end
count(queue, 'accepted')
if not FINAL[status] then try('SADD', 'broker:' .. redis.call('HGET', key, 'broker'), id) end
if not FINAL[status] then redis.call('PERSIST', key) end
if WAITING[status] then
  if due ~= '' then try('ZADD', 'delayed:' .. queue, due, id) end
  announce(id, task, queue, status)
end
return 1
