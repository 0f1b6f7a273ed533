-- Prepare to move a job to this kind of broker: it waits in another kind, or the consumer that ran it there is gone.
-- A consumer that stops still holds its job: it renews the lease, or sends heartbeats without leases, until the end.
-- KEYS job:<id>
-- ARGV id, kind, nonce of the new message, sending (seconds: how long another consumer's claim is valid)
-- returns task, queue, message, due ('' = now) and step; nothing for a job that must not be moved
local key, id, kind, nonce, sending = KEYS[1], unpack(ARGV)
local status, task, queue, message, broker, queued, step, consumer, claimed = unpack(redis.call('HMGET', key,
  'status', 'task', 'queue', 'message', 'broker', 'queued', 'step', 'consumer', 'claimed'))
if not status or FINAL[status] then
  try('SREM', 'broker:' .. (broker or ''), id)
  return
end
if broker == kind or not task or (broker and not queued) or now - (claimed or 0) < tonumber(sending) then return end
if not WAITING[status] then
  local held = broker and is_up(consumer, broker) or not broker and (tonumber(score('leases:', queue, id)) or 0) > now
  if held then return end
end
redis.call('HSET', key, 'moving', nonce, 'claimed', now)
return {task, queue, message or '', score('delayed:', queue, id), step or '5'}
