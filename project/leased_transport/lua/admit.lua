-- Admit one job: write its record, queue it and list it as recent; or refuse it.
-- KEYS job:<id>, queue
-- ARGV id, nonce, task, step, message, due (seconds or ''), limit (0 = none), token (of the run that retries its
--      own job, or ''), nesting (of a replaced task), parent (the job that publishes, or ''), kept (recent jobs),
--      list (with an entry that becomes this job, or ''), that entry, n, n values for the record (field, value, ...),
--      step...
-- returns OK, EXISTS or FULL
local key, queue = KEYS[1], KEYS[2]
local id, nonce, task, step, message, due, limit, token, nesting, parent, kept, list, entry, n = unpack(ARGV, 1, 14)
local old, status =
  redis.call('HMGET', key, 'nonce', 'status', 'token', 'nesting', 'queue', 'submitted_at', 'task'), 'PENDING'
local is_stub = old[2] and not old[7] -- a later step of a chain that failed and was requeued: it becomes a job now
if is_stub then old[2] = false end
local retries = token ~= '' and token == old[3]
if old[2] and old[1] == nonce then return 'OK' end -- a retry of the same call, whose answer was lost
local waits = due ~= '' and tonumber(due) > now
-- before the first write: a job that cannot be queued stays what it is
if waits then require_type('ZCARD', 'delayed:' .. queue) else require_type('LLEN', list_of(queue, step)) end
if old[2] then
  local replaces = tonumber(nesting) > (tonumber(old[4]) or 0)
  if FINAL[old[2]] or WAITING[old[2]] or not (retries or replaces) then
    -- A run that lost its lease retries its job, or a second run of a parent publishes its children again.
    return (token ~= '' or parent ~= '') and 'OK' or 'EXISTS'
  end
  -- The new message replaces the run that publishes it; the new token fences that run off.
  try('ZREM', 'leases:' .. old[5], id)
  local failure
  for i = 15, 14 + n, 2 do failure = ARGV[i] == 'error' and ARGV[i + 1] or failure end
  log_run(id, retries and 'retry' or 'replaced', failure)
  redis.call('HSET', key, 'left', old[3] or '') -- this attempt dropped its lease itself: see renew_and_reap.lua
  redis.call('HINCRBY', key, 'token', 1)
  redis.call('HINCRBY', key, 'returned', 1)
  redis.call('HDEL', key, 'progress')
  if retries then status = 'RETRY' end
elseif tonumber(limit) > 0 and parent == '' then -- a running job that publishes cannot wait for room
  local depth = try('ZCARD', 'delayed:' .. queue) or 0
  for i = 15 + n, #ARGV do depth = depth + (try('LLEN', list_of(queue, ARGV[i])) or 0) end
  if depth >= tonumber(limit) then return 'FULL' end
end
-- another producer may have used the entry
if list ~= '' and not redis.call('LPOS', list, entry, 'RANK', -1) then return 'EXISTS' end
-- The first write for a new job: Redis refuses it if it is full.
if waits then redis.call('ZADD', 'delayed:' .. queue, due, id) else redis.call('LPUSH', list_of(queue, step), id) end
redis.call('HSET', key, 'task', task, 'queue', queue, 'status', status, 'message', message, 'nonce', nonce,
  'submitted_at', old[6] or stamp, unpack(ARGV, 15, 14 + n))
-- not before: after a command that frees memory, a full Redis would allow all the others
if list ~= '' then redis.call('LREM', list, -1, entry) end
if is_stub then drop_ending(key) end
-- it was to expire: the record of a retry or of such a step, or the rest of a collected job
if old[3] or is_stub then redis.call('PERSIST', key) end
if step ~= '5' or old[2] then redis.call('HSET', key, 'step', step) end
if nesting ~= '0' then redis.call('HSET', key, 'nesting', nesting) end
if due ~= '' or old[2] then redis.call('HSET', key, 'due', due ~= '' and due or stamp) end
if not waits then wake(queue) end
list_recent(id, kept)
if not old[2] and parent ~= '' then
  redis.call('HSET', key, 'parent', parent)
  local known, siblings = unpack(try('HMGET', 'job:' .. parent, 'status', 'child_ids') or {})
  if known and #(siblings or '') < 4000 then -- about a hundred ids, so that a group of thousands stays quick
    redis.call('HSET', 'job:' .. parent, 'child_ids', (siblings and siblings .. ' ' or '') .. id)
  end
end
count(queue, retries and 'retried' or old[2] and 'returned' or 'accepted')
announce(id, task, queue, status)
return 'OK'
