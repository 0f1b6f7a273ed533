-- Put in front of every script by scripts.py.
--
-- key                   type        holds                                         entries are deleted by
-- job:<id>              hash        the record of a job                           expiry, result_ttl after its end;
--                                                                                 cancel_or_collect, confirm_sent
-- <queue>, <queue>\6\22n list        ids of waiting jobs, a list for each priority fetch, finish, purge,
--                                   step n; the next job is at the right end      cancel_or_collect
-- delayed:<queue>       sorted set  ids that wait for their time, by that time    fetch, begin, purge,
--                                                                                 cancel_or_collect
-- leases:<queue>        sorted set  ids of running jobs, by when their lease      finish, renew_and_reap, report,
--                                   expires ('inf' with a broker without leases)  admit (a retry), cancel_or_collect
-- bell:<queue>          list        at most one entry: there is a job to fetch    BRPOP of an idle consumer
-- taken                 hash        how many jobs were fetched so far, by queue   none
-- counts:<queue>        hash        how many jobs were accepted, started, ...     none
-- jobs:recent           sorted set  ids of the last jobs, by submission           admit, register (the oldest);
--                                                                                 confirm_sent, cancel_or_collect
-- broker:<kind>         set         ids of jobs with messages in another          fetch, adopt, claim, report,
--                                   kind of broker: stock or amqp                 cancel_or_collect
-- consumer:<name>       string      a consumer that is up, as JSON                expiry; the consumer when it stops
-- consumers             set         the names of such consumers                   the program that lists them
-- producer:<name>       string      a producer that is up, as JSON                expiry; the producer when it stops
-- producers             set         the names of such producers                   the program that lists them
-- inbox                 list        entries of a queue's list that are not ids    the program that reads it
-- events:rate:<second>  string      how many jobs began, while a program listens  expiry, after 3 s
--                                   to Celery's events
-- The channels "jobs" and "job:<id>" carry every change of a job's status, as JSON.
--
-- A script that a consumer calls begins with commands that can only free memory (RPOP, ZREM, HDEL), even if there is
-- nothing to free: then Redis lets the rest of the script write although its memory is full, so that consumers can
-- work off the queues of a full Redis.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local stamp = string.format('%.3f', now)
local FINAL = {SUCCESS = true, FAILURE = true, REVOKED = true}
local WAITING = {PENDING = true, RETRY = true}
local ENDINGS = {SUCCESS = 'succeeded', FAILURE = 'failed', REVOKED = 'revoked'} -- as they are counted

-- Do what redis.call does, but return nothing if another program has overwritten the key with one of another type.
local function try(command, key, ...)
  local answer = redis.pcall(command, key, ...)
  if type(answer) ~= 'table' or not answer.err then return answer end
  if not answer.err:find('WRONGTYPE') then return redis.call(command, key, ...) end -- it raises the error once more
end

-- Raise an error that names the key if another program has overwritten it; command: one that reads only its type.
local function require_type(command, key)
  if not try(command, key) then error('WRONGTYPE another program has overwritten the key ' .. key, 0) end
end

-- Return the list of a queue's waiting jobs of one priority step; 5 is the step of jobs that name no priority.
local function list_of(queue, step)
  return (not step or step == '5') and queue or queue .. '\6\22' .. step
end

-- Publish that a job has changed its status.
local function announce(id, task, queue, status, consumer)
  local text = cjson.encode({job_id = id, task = task or cjson.null, queue = queue or cjson.null, status = status,
    at = tonumber(stamp), consumer = consumer or cjson.null})
  redis.call('PUBLISH', 'jobs', text)
  redis.call('PUBLISH', 'job:' .. id, text)
end

-- Count an event of a job, for rates and charts: accepted, started, succeeded, failed, revoked, retried or returned.
-- seconds: how long the job had waited (started) or run (an end), or nothing. It selects one of four buckets for each
-- doubling, from a millisecond on; counts.py reads them.
local function count(queue, event, seconds)
  if not queue or queue == '' then return end
  if seconds then
    event = event .. ' ' .. math.max(0, math.floor(4 * math.log(math.max(seconds, 0.001) * 1000) / math.log(2)))
  end
  redis.pcall('HINCRBY', 'counts:' .. queue, event, 1) -- pcall: another program may have overwritten the key
end

-- Return how long a job has waited, if this is its first run or it was delayed until `due`.
local function waited(submitted_at, due, token)
  local since = tonumber(due or '') or (token == 1 and tonumber(submitted_at or ''))
  return since and now - since
end

-- Return when a job is due ('delayed:') or when its lease expires ('leases:'); '' if it is not in that set.
local function score(set, queue, id)
  local found = queue and redis.pcall('ZSCORE', set .. queue, id) -- pcall: another program may have overwritten the set
  return type(found) == 'string' and found or ''
end

-- Wake one consumer that waits for jobs of this queue.
local function wake(queue)
  local key = 'bell:' .. queue
  local entries = try('LLEN', key)
  if not entries then redis.call('DEL', key) end -- another program has overwritten it; it never holds anything to keep
  if not entries or entries == 0 then redis.call('LPUSH', key, 1) end
end

-- Take a waiting job out of its queue; it takes up to 5 ms in a list of 100,000.
local function leave(queue, step, id)
  if try('ZREM', 'delayed:' .. queue, id) ~= 1 then try('LREM', list_of(queue, step), -1, id) end
end

-- Note that a job's valid message is the one with this nonce, in this kind of broker; drop its entries elsewhere.
local function set_message_location(id, broker, nonce)
  local key = 'job:' .. id
  local old, queue, step = unpack(redis.call('HMGET', key, 'broker', 'queue', 'step'))
  if old ~= broker then
    try('SREM', 'broker:' .. (old or ''), id)
    try('ZREM', 'leases:' .. queue, id)
    leave(queue, step, id)
  end
  redis.call('HDEL', key, 'moving', 'claimed')
  redis.call('HSET', key, 'broker', broker, 'nonce', nonce, 'queued', 1)
  try('SADD', 'broker:' .. broker, id)
end

-- Return whether the consumer that began a job is up and fetches its jobs from this kind of broker.
local function is_up(consumer, broker)
  local text = consumer and redis.pcall('GET', 'consumer:' .. consumer) -- pcall: another program may have set the key
  local ok, heartbeat = pcall(cjson.decode, text)
  return ok and type(heartbeat) == 'table' and heartbeat.broker == broker
end

-- Return whether no other program has overwritten the keys in which jobs of a queue wait, are delayed and run.
local function is_intact(queue, step)
  return try('LLEN', list_of(queue, step)) and try('ZCARD', 'delayed:' .. queue) and try('ZCARD', 'leases:' .. queue)
end

-- End a job; fields is a flat list of what else to write to its record.
local function finish(id, task, queue, status, fields, ttl)
  local key = 'job:' .. id
  redis.call('HSET', key, 'status', status, 'finished_at', stamp, unpack(fields))
  if status == 'SUCCESS' then -- its message is kept to show the arguments, if it is short and the job is recent
    local short = redis.call('HSTRLEN', key, 'message') <= 4096
    local listed = short and type(redis.pcall('ZSCORE', 'jobs:recent', id)) == 'string' -- pcall: as in list_recent()
    if not listed then redis.call('HDEL', key, 'message') end
  end
  if tonumber(ttl) > 0 then redis.call('EXPIRE', key, ttl) end
  local consumer, started = unpack(redis.call('HMGET', key, 'consumer', 'started_at'))
  count(queue, ENDINGS[status], status ~= 'REVOKED' and tonumber(started or '') and now - tonumber(started))
  announce(id, task, queue, status, consumer)
end

-- Fail a job whose record cannot be read or written, for example because its token is not a number.
-- failure: what pcall() has returned
local function fail_damaged(id, queue, failure, ttl)
  local text = 'its record is damaged: ' .. (type(failure) == 'table' and failure.err or tostring(failure))
  pcall(finish, id, nil, queue, 'FAILURE', {'error', cjson.encode({type = 'Rejected', message = text})}, ttl)
end

-- Add a run that has just ended to the log in the job's record, which keeps the last 20. The other fields of the record
-- describe the job's last run, so that run is not in the log, unless those fields do not say enough about its end.
-- outcome: retry, crash, lost_lease, stopped, moved, replaced, failure or revoked; failure: the error as JSON, or nothing
-- expired: when its lease expired, or nothing
local function log_run(id, outcome, failure, expired)
  local key = 'job:' .. id
  local started, consumer, token, returned, finished, runs =
    unpack(redis.call('HMGET', key, 'started_at', 'consumer', 'token', 'returned', 'finished_at', 'runs'))
  if not started then return end
  local ok, error = pcall(cjson.decode, failure or 'null')
  error = ok and type(error) == 'table' and {type = error.type, message = tostring(error.message):sub(1, 300)}
  local attempt = (tonumber(token) or 0) - (tonumber(returned) or 0)
  local run = cjson.encode({attempt = attempt, consumer = consumer or cjson.null, started_at = started, ended_at = finished or stamp, outcome = outcome, error = error or cjson.null,
    lease_until = expired or cjson.null})
  runs = (runs and runs .. '\n' or '') .. run
  local _, breaks = runs:gsub('\n', '')
  if breaks >= 20 then
    runs = runs:sub(runs:find('\n') + 1)
    redis.call('HINCRBY', key, 'runs_dropped', 1)
  end
  redis.call('HSET', key, 'runs', runs)
end

-- Remove from a record what describes the end of a run.
local function drop_ending(key)
  redis.call('HDEL', key, 'finished_at', 'error', 'exception', 'traceback')
end

-- Let a failed or revoked job begin anew: its last run goes to the log.
local function begin_anew(id, status)
  local key = 'job:' .. id
  log_run(id, status == 'REVOKED' and 'revoked' or 'failure', redis.call('HGET', key, 'error'))
  drop_ending(key)
  redis.call('HDEL', key, 'asked', 'started_at', 'consumer', 'progress')
  redis.call('HSET', key, 'due', stamp)
end

-- List a job as recent. Jobs that leave the list also lose the message that is kept to show their arguments.
local function list_recent(id, kept)
  local listed = redis.pcall('ZADD', 'jobs:recent', now, id)
  if type(listed) == 'table' then return end -- another program has overwritten the index, which no job needs
  local extra = redis.call('ZCARD', 'jobs:recent') - kept
  if extra <= 0 then return end
  local gone = redis.call('ZPOPMIN', 'jobs:recent', math.min(extra, 100))
  for i = 1, #gone, 2 do
    local key = 'job:' .. gone[i]
    local status = redis.pcall('HGET', key, 'status') -- pcall: another program may have overwritten the key
    if status == 'SUCCESS' then redis.call('HDEL', key, 'message') end
  end
end

-- Put a leased job back at the head of its queue. reason: return (it never ran, so this was no attempt), stop (it ran,
-- and its consumer is stopping) or death (its consumer crashed or lost the lease; after max_attempts the job fails).
-- expired: when its lease expired, or nothing.
-- Returns the new status, or nothing if the job is gone or has ended, or another program has overwritten its queue: then
-- it stays leased, and is handed back once that key is gone.
local function hand_back(id, queue, reason, max_attempts, ttl, expired)
  local key = 'job:' .. id
  local status, task, step = unpack(try('HMGET', key, 'status', 'task', 'step') or {})
  local over = not status or FINAL[status]
  if not over and not try('LLEN', list_of(queue, step)) then
    try('ZADD', 'leases:' .. queue, 'NX', now, id) -- renew_and_reap.lua may have deleted it
    return
  end
  try('ZREM', 'leases:' .. queue, id)
  if over then return end
  if reason == 'stop' then log_run(id, 'stopped') end
  if reason == 'death' then log_run(id, expired and 'lost_lease' or 'crash', nil, expired) end
  if reason == 'death' and redis.call('HINCRBY', key, 'deaths', 1) >= max_attempts then
    local text = 'the consumer crashed or lost its lease in each of ' .. max_attempts .. ' attempts'
    finish(id, task, queue, 'FAILURE', {'error', cjson.encode({type = 'PoisonJob', message = text})}, ttl)
    return 'FAILURE'
  end
  if reason == 'return' then redis.call('HINCRBY', key, 'returned', 1) end
  redis.call('HDEL', key, 'progress') -- of the run that has ended
  redis.call('HSET', key, 'status', 'PENDING', 'due', stamp)
  redis.call('RPUSH', list_of(queue, step), id)
  wake(queue)
  count(queue, 'returned')
  announce(id, task, queue, 'PENDING')
  return 'PENDING'
end
