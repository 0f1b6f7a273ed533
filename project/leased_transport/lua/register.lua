-- Write the record of a job before its message is sent to a broker that keeps no records.
-- KEYS job:<id>
-- ARGV id, nonce, task, queue, message, parent (the job that publishes, or ''), request (an id that is the same when a
--      call is repeated, or ''), patience (seconds until the record expires if its sender crashes), sending (seconds
--      that a sender takes at most), kept (recent jobs), n values for the record (field, value, ...)
-- returns OK, KNOWN (the same call, or a parent that runs again), EXISTS, or BUSY (another process is sending it)
local key = KEYS[1]
local id, nonce, task, queue, message, parent, request, patience, sending, kept = unpack(ARGV, 1, 10)
local status, queued, before, known_task = unpack(redis.call('HMGET', key, 'status', 'queued', 'request', 'task'))
if not known_task then status = false end -- a later step of a chain that failed and was requeued: it becomes a job now
if status and queued then return (parent ~= '' or (request ~= '' and request == before)) and 'KNOWN' or 'EXISTS' end
if status and redis.call('TTL', key) > patience - sending then return 'BUSY' end
redis.call('HSET', key, 'nonce', nonce, 'task', task, 'queue', queue, 'message', message, 'status', 'PENDING',
  'submitted_at', stamp, 'request', request, unpack(ARGV, 11))
drop_ending(key)
redis.call('EXPIRE', key, patience)
list_recent(id, kept)
if parent ~= '' then
  redis.call('HSET', key, 'parent', parent)
  local known, siblings = unpack(try('HMGET', 'job:' .. parent, 'status', 'child_ids') or {})
  if known and not status and #(siblings or '') < 4000 then
    redis.call('HSET', 'job:' .. parent, 'child_ids', (siblings and siblings .. ' ' or '') .. id)
  end
end
return 'OK'
