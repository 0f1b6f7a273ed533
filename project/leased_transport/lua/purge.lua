-- Revoke the jobs that wait in a queue, up to n of each list per call.
-- KEYS queue
-- ARGV n, ttl, step...
-- returns how many entries were removed
local removed = 0
local function drop(id)
  local status, task = unpack(try('HMGET', 'job:' .. id, 'status', 'task') or {})
  if WAITING[status] then finish(id, task, KEYS[1], 'REVOKED', {}, ARGV[2]) end
  removed = removed + 1
end
local delayed = redis.call('ZPOPMIN', 'delayed:' .. KEYS[1], ARGV[1])
for i = 1, #delayed, 2 do drop(delayed[i]) end
for i = 3, #ARGV do
  for _, id in ipairs(redis.call('RPOP', list_of(KEYS[1], ARGV[i]), ARGV[1]) or {}) do drop(id) end
end
return removed
