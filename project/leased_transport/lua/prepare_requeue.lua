-- Prepare to send the message of a failed or revoked job again: only the message with this nonce may run then.
-- KEYS job:<id>
-- ARGV nonce, broker (its kind)
-- returns task, queue and message; nothing for a job in any other state
local status, task, queue, message = unpack(redis.call('HMGET', KEYS[1], 'status', 'task', 'queue', 'message'))
if not message or not (status == 'FAILURE' or status == 'REVOKED') then return end
redis.call('HSET', KEYS[1], 'nonce', ARGV[1], 'asked', ARGV[1], 'broker', ARGV[2])
return {task, queue, message}
