-- Find recent jobs, newest first.
-- KEYS jobs:recent
-- ARGV from (the highest score, in the syntax of ZREVRANGEBYSCORE), n (entries to look at), wanted (ids to find),
--      task, status, queue ('' = any), since, until (of the submission, in seconds; '' = any), type of the error
--      ('' = any), text that the message contains, in lower case ('' = any)
-- returns the score below which the next call continues ('' at the end of the index), how many entries were looked at,
--      then the ids
local from, n, wanted, task, status, queue, since, until_, kind, text = unpack(ARGV)
wanted, since, until_ = tonumber(wanted), tonumber(since), tonumber(until_)
-- an entry is never older than its job: a retry lists it again
local rows = redis.call('ZREVRANGEBYSCORE', KEYS[1], from, since or '-inf', 'WITHSCORES', 'LIMIT', 0, n)
local found, bytes = {'', #rows / 2}, 0

local function matches(key)
  -- pcall: another program may have overwritten the key with one of another type
  local known = redis.pcall('HMGET', key, 'task', 'status', 'queue', 'submitted_at')
  local at = tonumber(known[4] or '')
  if not known[2] or (task ~= '' and task ~= known[1]) or (status ~= '' and status ~= known[2])
    or (queue ~= '' and queue ~= known[3]) or (since and (at or 0) < since) or (until_ and (at or 0) > until_) then
    return false
  end
  if kind ~= '' then
    local failure = redis.call('HSTRLEN', key, 'error') <= 20000 and redis.call('HGET', key, 'error')
    if (failure and failure:match('"type":%s*"([^"]*)"')) ~= kind then return false end
  end
  if text ~= '' then
    local length = redis.call('HSTRLEN', key, 'message')
    bytes = bytes + length
    local message = length <= 16384 and redis.call('HGET', key, 'message')
    return message and message:lower():find(text, 1, true)
  end
  return true
end

for i = 1, #rows, 2 do
  if matches('job:' .. rows[i]) then
    found[#found + 1] = rows[i]
    if #found - 2 >= wanted or bytes > 1000000 then -- a million bytes take some milliseconds
      found[1], found[2] = rows[i + 1], (i + 1) / 2
      return found
    end
  end
end
if #rows == 2 * tonumber(n) then found[1] = rows[#rows] end
return found
