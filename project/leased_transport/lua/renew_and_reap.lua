-- Renew leases or hand their jobs back; then put jobs whose lease ran out back at the head of their queue (a death).
-- KEYS queue... (whose expired leases to collect)
-- ARGV what (renew, return, stop or death: see hand_back), lease (seconds), max_attempts, ttl,
--      then per held job: id, token, queue; of jobs handed back the last one is the next to be taken
-- returns token:id (the delivery tag) of each whose lease was lost before; and of each lease that ran out: id, task,
--      queue, consumer (that had it) and status (PENDING, or FAILURE after too many deaths), as one flat list
local what, lost, expired = ARGV[1], {}, {}
-- A pool child ends or retries its job before this process hears of it: that lease was given up, not lost.
local function gave_up(token, current, status, left)
  return not status or left == token or (current == token and FINAL[status])
end
for i = 5, #ARGV, 3 do
  local id, token, queue = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  -- ZREM, not ZSCORE: what frees memory comes first, see common.lua
  local current, status, left = unpack(redis.call('HMGET', 'job:' .. id, 'token', 'status', 'left'))
  if current ~= token or redis.call('ZREM', 'leases:' .. queue, id) == 0 then
    if not gave_up(token, current, status, left) then lost[#lost + 1] = token .. ':' .. id end
  elseif what == 'renew' then
    redis.call('ZADD', 'leases:' .. queue, now + ARGV[2], id)
  else
    hand_back(id, queue, what, tonumber(ARGV[3]), ARGV[4])
  end
end
for _, queue in ipairs(KEYS) do
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', 'leases:' .. queue, '-inf', now, 'LIMIT', 0, 1000)) do
    local status = hand_back(id, queue, 'death', tonumber(ARGV[3]), ARGV[4])
    if status then
      local task, consumer = unpack(redis.call('HMGET', 'job:' .. id, 'task', 'consumer'))
      for _, value in ipairs({id, task or '', queue, consumer or '', status}) do expired[#expired + 1] = value end
    end
  end
end
return {lost, expired}
