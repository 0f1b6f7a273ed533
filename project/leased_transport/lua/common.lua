-- Put in front of every script by scripts.py. The key layout is drawn in docs/explanation/delivery.md.
-- Every script of those who run jobs first does what can only free memory (RPOP, ZREM, HDEL), even if there is nothing
-- to free: Redis then lets the rest of the script write although it is full, so consumers can always work it off.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local stamp = string.format('%.3f', now)
local FINAL = {SUCCESS = true, FAILURE = true, REVOKED = true}
local WAITING = {PENDING = true, RETRY = true}

-- The list of a queue's jobs of one priority step; 5 is that of jobs that name no priority.
local function list_of(queue, step)
  return (not step or step == '5') and queue or queue .. '\6\22' .. step
end

-- Tell whoever watches all jobs (channel "jobs") or this one ("job:<id>") that a job changed its status.
local function announce(id, task, queue, status, consumer)
  local text = cjson.encode({job_id = id, task = task or cjson.null, queue = queue or cjson.null, status = status,
    at = tonumber(stamp), consumer = consumer or cjson.null})
  redis.call('PUBLISH', 'jobs', text)
  redis.call('PUBLISH', 'job:' .. id, text)
end

-- When a job is due ('delayed:') or until when it is leased ('leases:'); '' if it is in no such set.
local function score(set, queue, id)
  local found = queue and redis.pcall('ZSCORE', set .. queue, id) -- pcall: another program may have overwritten the set
  return type(found) == 'string' and found or ''
end

local function wake(queue)
  if redis.call('LLEN', 'bell:' .. queue) == 0 then redis.call('LPUSH', 'bell:' .. queue, 1) end
end

-- From now on the message of a job is the one with this nonce, in this kind of broker; it waits nowhere else any more.
local function set_message_location(id, broker, nonce)
  local key = 'job:' .. id
  local old, queue, step = unpack(redis.call('HMGET', key, 'broker', 'queue', 'step'))
  if old ~= broker then
    redis.call('SREM', 'broker:' .. (old or ''), id)
    redis.call('ZREM', 'leases:' .. queue, id)
    if redis.call('ZREM', 'delayed:' .. queue, id) == 0 then redis.call('LREM', list_of(queue, step), -1, id) end
  end
  redis.call('HDEL', key, 'moving', 'claimed')
  redis.call('HSET', key, 'broker', broker, 'nonce', nonce, 'queued', 1)
  redis.call('SADD', 'broker:' .. broker, id)
end

-- Whether the consumer that began a job is up and takes its jobs from this kind of broker.
local function is_up(consumer, broker)
  local text = consumer and redis.call('GET', 'consumer:' .. consumer)
  return text and cjson.decode(text).broker == broker
end

-- End a job for good; fields is a flat list of what its record gets besides.
local function finish(id, task, queue, status, fields, ttl)
  local key = 'job:' .. id
  redis.call('HSET', key, 'status', status, 'finished_at', stamp, unpack(fields))
  if status == 'SUCCESS' then redis.call('HDEL', key, 'message') end
  if tonumber(ttl) > 0 then redis.call('EXPIRE', key, ttl) end
  announce(id, task, queue, status, redis.call('HGET', key, 'consumer'))
end

-- Put a leased job back at the head of its queue. why: return (it never ran: no attempt), stop (it ran, its consumer
-- stopped politely) or death (its consumer died or lost the lease; too many deaths end the job).
-- Returns its status then, or nothing if it was not there or had ended.
local function hand_back(id, queue, why, max_attempts, ttl)
  local key = 'job:' .. id
  redis.call('ZREM', 'leases:' .. queue, id)
  local status, task, step = unpack(redis.call('HMGET', key, 'status', 'task', 'step'))
  if not status or FINAL[status] then return end
  if why == 'death' and redis.call('HINCRBY', key, 'deaths', 1) >= max_attempts then
    local text = 'the consumer died or lost its lease in each of ' .. max_attempts .. ' attempts'
    finish(id, task, queue, 'FAILURE', {'error', cjson.encode({type = 'PoisonJob', message = text})}, ttl)
    return 'FAILURE'
  end
  if why == 'return' then redis.call('HINCRBY', key, 'returned', 1) end
  redis.call('HDEL', key, 'progress') -- of the run that is over
  redis.call('HSET', key, 'status', 'PENDING')
  redis.call('RPUSH', list_of(queue, step), id)
  wake(queue)
  announce(id, task, queue, 'PENDING')
  return 'PENDING'
end
