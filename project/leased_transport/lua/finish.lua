-- End jobs, store what running jobs report, or only drop the leases of acknowledged jobs that have no result.
-- KEYS none
-- ARGV ttl, then per job: id, token ('' = not fenced), status ('' = drop the lease), n, n values (field, value, ...)
-- returns the ids of the jobs that were refused, because another attempt owns them, or another program has overwritten
--      their records
local refused, i = {}, 2
while i <= #ARGV do
  local id, token, status, n = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
  local fields = {unpack(ARGV, i + 4, i + 3 + n)}
  i = i + 4 + n
  local key = 'job:' .. id
  local record = try('HMGET', key, 'status', 'token', 'queue', 'task', 'step')
  local old, current, queue, task, step = unpack(record or {})
  local leases = 'leases:' .. (queue or '') -- without a queue: a step of a chain that was never queued
  if not record or (token ~= '' and token ~= current) then
    if status ~= '' then refused[#refused + 1] = id end -- a retry has dropped its own lease already
  elseif not old then -- a later step of a chain that failed: a client may wait for it
    if FINAL[status] then finish(id, nil, nil, status, fields, ARGV[1]) end
  elseif FINAL[status] then
    try('ZREM', leases, id)
    -- handed back, but not fetched since, or it cannot be moved to another kind of broker
    if WAITING[old] and queue then leave(queue, step, id) end
    if not FINAL[old] then finish(id, task, queue, status, fields, ARGV[1]) end
  elseif try('ZSCORE', leases, id) then
    if status == '' then
      redis.call('ZREM', leases, id)
      if tonumber(ARGV[1]) > 0 then redis.call('EXPIRE', key, ARGV[1]) end
    else
      redis.call('HDEL', key, fields[1]) -- before the HSET: see the end of the header of common.lua
      redis.call('HSET', key, 'status', status, unpack(fields))
      announce(id, task, queue, status, redis.call('HGET', key, 'consumer'))
    end
  end
end
return refused
