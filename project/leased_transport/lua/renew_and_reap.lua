-- Renew leases or hand their jobs back; then hand back all jobs whose leases have expired, as failed attempts.
-- KEYS queue... (whose expired leases to reap)
-- ARGV action (renew, or why to hand back: return, stop or death, see common.lua), lease (seconds), max_attempts, ttl,
--      then per lease: id, token, queue; of jobs that are handed back, the last one is fetched first
-- returns token:id (the delivery tag) of each lease that had been lost; and for each expired lease: id, task, queue,
--      consumer (that had it) and new status (PENDING, or FAILURE after too many attempts), as one flat list
local action, lost, expired = ARGV[1], {}, {}
local max_attempts, ttl = tonumber(ARGV[3]), ARGV[4]
-- Return whether an attempt dropped its lease itself: a pool process ends its job before the consumer hears of it.
local function dropped(token, current, status, left)
  return not status or left == token or (current == token and FINAL[status])
end
-- Hand a job back; one with a damaged record fails, and holds up no other.
local function try_to_hand_back(id, queue, reason, expires)
  local ok, status = pcall(hand_back, id, queue, reason, max_attempts, ttl, expires)
  if ok then return status end
  try('ZREM', 'leases:' .. queue, id)
  fail_damaged(id, queue, status, ttl)
end
for i = 5, #ARGV, 3 do
  local id, token, queue = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  -- ZREM, not ZSCORE, because it can free memory: see the end of the header of common.lua
  local current, status, left = unpack(try('HMGET', 'job:' .. id, 'token', 'status', 'left') or {})
  if current ~= token or try('ZREM', 'leases:' .. queue, id) == 0 then
    if not dropped(token, current, status, left) then lost[#lost + 1] = token .. ':' .. id end
  elseif action == 'renew' then
    try('ZADD', 'leases:' .. queue, now + ARGV[2], id)
  else
    try_to_hand_back(id, queue, action)
  end
end
for _, queue in ipairs(KEYS) do
  local ended = try('ZRANGEBYSCORE', 'leases:' .. queue, '-inf', now, 'WITHSCORES', 'LIMIT', 0, 1000) or {}
  for i = 1, #ended, 2 do
    local id = ended[i]
    local status = try_to_hand_back(id, queue, 'death', ended[i + 1])
    if status then
      local task, consumer = unpack(redis.call('HMGET', 'job:' .. id, 'task', 'consumer'))
      for _, value in ipairs({id, task or '', queue, consumer or '', status}) do expired[#expired + 1] = value end
    end
  end
end
return {lost, expired}
