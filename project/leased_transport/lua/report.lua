-- Write what a run of a job reports, or how it ended; refuse it if the job is gone, has ended or was begun again.
-- KEYS job:<id>
-- ARGV id, nonce, token ('' = of any run), status ('' = the job is ignored: only let its record expire), ttl, due (of a
--      retry that has to wait, or ''), n values for the record (field, value, ...)
-- returns 1, or 0 if it was refused
local key = KEYS[1]
local id, nonce, token, new, ttl, due = unpack(ARGV, 1, 6)
local status, mine, current, task, queue, moving, asked =
  unpack(redis.call('HMGET', key, 'status', 'nonce', 'token', 'task', 'queue', 'moving', 'asked'))
if (nonce ~= (mine or '') and nonce ~= moving) or (token ~= '' and token ~= current) then return 0 end
if FINAL[status] and (nonce == '' or asked ~= nonce) then return 0 end
if new == '' and WAITING[status] then return 0 end -- the task has replaced itself: its next message waits
local ends = FINAL[new] or WAITING[new] or new == '' -- otherwise it goes on running: the task reports a state of its own
if queue then -- before the first HSET: see the end of the header of common.lua
  try('ZREM', 'delayed:' .. queue, id) -- of a retry whose message could not be sent
  if ends then try('ZREM', 'leases:' .. queue, id) end
end
-- a requeued job whose message is discarded, such as an expired one, before confirm_sent.lua
if FINAL[status] then begin_anew(id, status) end
if FINAL[new] then
  try('SREM', 'broker:' .. (redis.call('HGET', key, 'broker') or ''), id)
  finish(id, task, queue, new, {unpack(ARGV, 7)}, ttl)
elseif new == '' then
  try('SREM', 'broker:' .. (redis.call('HGET', key, 'broker') or ''), id)
  if tonumber(ttl) > 0 then redis.call('EXPIRE', key, ttl) end
elseif status then
  local is_new = status ~= new -- a retry is reported again each time that its message could not be sent
  if new == 'RETRY' and is_new then
    local failure
    for i = 7, #ARGV, 2 do failure = ARGV[i] == 'error' and ARGV[i + 1] or failure end
    log_run(id, 'retry', failure)
  end
  redis.call('HSET', key, 'status', new, unpack(ARGV, 7))
  if due ~= '' then try('ZADD', 'delayed:' .. queue, due, id) end
  if new == 'RETRY' then
    redis.call('HSET', key, 'due', due ~= '' and due or stamp)
    if is_new then count(queue, 'retried') end
  end
  announce(id, task, queue, new, redis.call('HGET', key, 'consumer'))
end
return 1
