-- Begin a run of a job whose message was delivered, unless the job is gone, has ended or waits for another message.
-- KEYS job:<id>
-- ARGV id, nonce ('' = sent by a program that writes no records), task, queue, consumer, broker (its kind)
-- returns the token of the run and the consumer of an earlier run that has not ended (or ''); nothing if it may not run
local key, id, nonce, name, place, consumer, broker = KEYS[1], unpack(ARGV)
local status, mine, asked, task, queue, moving =
  unpack(redis.call('HMGET', key, 'status', 'nonce', 'asked', 'task', 'queue', 'moving'))
if nonce ~= (mine or '') and nonce ~= moving then return end
if FINAL[status] and (nonce == '' or asked ~= nonce) then return end
task, queue = task or name, queue or place
local before = status and not FINAL[status] and not WAITING[status] and redis.call('HGET', key, 'consumer') or ''
if status and nonce ~= '' then set_message_location(id, broker, nonce) end
if before ~= '' then log_run(id, 'crash') end
if FINAL[status] then begin_anew(id, status) end -- a requeued job that comes before confirm_sent.lua
redis.call('HDEL', key, 'asked', 'finished_at', 'error', 'exception', 'traceback', 'progress')
redis.call('HSETNX', key, 'submitted_at', stamp)
redis.call('HSET', key, 'task', task, 'queue', queue, 'queued', 1, 'status', 'STARTED', 'started_at', stamp,
  'consumer', consumer)
redis.call('PERSIST', key)
try('ZREM', 'delayed:' .. queue, id)
try('ZADD', 'leases:' .. queue, 'inf', id) -- a lease that never expires: the index of running jobs
redis.pcall('HINCRBY', 'taken', queue, 1) -- for Retry-After; pcall: as in count()
local token = redis.call('HINCRBY', key, 'token', 1)
local submitted, due = unpack(redis.call('HMGET', key, 'submitted_at', 'due'))
count(queue, 'started', waited(submitted, due, token))
announce(id, task, queue, 'STARTED', consumer)
return {token, before}
