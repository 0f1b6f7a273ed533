-- Fetch up to n waiting jobs, from the queues in turn, and write their leases; wake another consumer when jobs remain.
-- An entry that is not an id was pushed by another program: the script moves it to the list `inbox`.
-- KEYS queue... (in the order to serve)
-- ARGV n, lease (seconds), consumer, step... (most urgent first)
-- returns id, token, queue, task, message of each fetched job, as one flat list
local want, lease, consumer = tonumber(ARGV[1]), ARGV[2], ARGV[3]
-- Let the delayed jobs of a queue that are due join it; one whose list another program has overwritten stays delayed.
local function join(queue)
  for _, id in ipairs(try('ZRANGEBYSCORE', 'delayed:' .. queue, '-inf', now, 'LIMIT', 0, 1000) or {}) do
    local list = list_of(queue, try('HGET', 'job:' .. id, 'step'))
    if try('LLEN', list) then
      redis.call('ZREM', 'delayed:' .. queue, id)
      redis.call('LPUSH', list, id)
    end
  end
end

local turn = {}
for _, queue in ipairs(KEYS) do
  if try('ZCARD', 'leases:' .. queue) then -- otherwise no job could get a lease, and all stay in their queue
    turn[#turn + 1] = queue
    join(queue)
  end
end
local fetched, counts = {}, {}

-- Return the id of the waiting job that a message in kombu's form belongs to; see "Switching brokers" in delivery.md.
local function id_of(text)
  local ok, message = pcall(cjson.decode, text)
  local headers = ok and type(message) == 'table' and message.headers
  if type(headers) ~= 'table' or type(headers.id) ~= 'string' or type(headers.nonce) ~= 'string' then return end
  return redis.call('HGET', 'job:' .. headers.id, 'nonce') == headers.nonce and headers.id or nil
end

local function fetch(queue, list, id)
  local ours = id:sub(1, 1) == '{' and id_of(id)
  if ours and try('ZSCORE', 'delayed:' .. queue, ours) then return end
  id = ours or id
  local key = 'job:' .. id
  local status, message, task, deaths, broker, submitted, due =
    unpack(redis.call('HMGET', key, 'status', 'message', 'task', 'deaths', 'broker', 'submitted_at', 'due'))
  if not status and not id:find('^[%w._~-]+$') then -- another program's message
    if type(redis.pcall('LPUSH', 'inbox', id)) == 'table' then -- that key is no list; a producer will rename it
      redis.call('RPUSH', list, id)
      return 'later'
    end
    want = want - 1 -- it counts as fetched, so that a call with many of them stays short
  end
  if not WAITING[status] then return end -- the job has ended, or was forgotten
  if deaths and #fetched > 0 then -- fetched alone: if it kills its consumer again, that must not count against others
    want = 0
    return redis.call('RPUSH', list, id)
  end
  if broker then -- invalidates its message in a broker without leases
    redis.call('HDEL', key, 'broker', 'queued')
    redis.call('HSET', key, 'nonce', 'leased')
    try('SREM', 'broker:' .. broker, id)
  end
  if status == 'RETRY' then redis.call('HDEL', key, 'error', 'traceback') end -- of the previous run
  local token = redis.call('HINCRBY', key, 'token', 1)
  redis.call('HSET', key, 'status', 'STARTED', 'started_at', stamp, 'consumer', consumer)
  redis.call('ZADD', 'leases:' .. queue, now + lease, id)
  count(queue, 'started', waited(submitted, due, token))
  announce(id, task, queue, 'STARTED', consumer)
  for _, value in ipairs({id, token, queue, task, message}) do fetched[#fetched + 1] = value end
  want, counts[queue] = deaths and 0 or want - 1, (counts[queue] or 0) + 1
end

-- Fetch the most urgent entry of a queue; return whether there was one that need not wait.
local function fetch_one(queue)
  for i = 4, #ARGV do
    local list = list_of(queue, ARGV[i])
    local id = try('RPOP', list)
    if id then
      local ok, outcome = pcall(fetch, queue, list, id)
      if not ok and redis.call('EXISTS', 'job:' .. id) == 1 then
        fail_damaged(id, queue, outcome, 0)
      end
      return outcome ~= 'later'
    end
  end
end

while want > 0 and #turn > 0 do
  local i = 1
  while want > 0 and i <= #turn do
    if fetch_one(turn[i]) then i = i + 1 else table.remove(turn, i) end
  end
end
if want <= 0 then
  for _, queue in ipairs(KEYS) do
    for i = 4, #ARGV do
      if redis.call('EXISTS', list_of(queue, ARGV[i])) == 1 then wake(queue) end
    end
  end
end
for queue, count in pairs(counts) do
  redis.pcall('HINCRBY', 'taken', queue, count) -- pcall: as in count()
end
return fetched
