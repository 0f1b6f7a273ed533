-- Find recent jobs, newest first.
-- KEYS jobs:recent
-- ARGV from (the highest score, in the syntax of ZREVRANGEBYSCORE), n (entries to look at), wanted (ids to find),
--      task ('' = any), status ('' = any)
-- returns the score below which the next call goes on ('' at the end of the index), then the ids
local rows = redis.call('ZREVRANGEBYSCORE', KEYS[1], ARGV[1], '-inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local found = {''}
for i = 1, #rows, 2 do
  -- pcall: another program may have overwritten the key with one of another type
  local task, status = unpack(redis.pcall('HMGET', 'job:' .. rows[i], 'task', 'status'))
  if status and (ARGV[4] == '' or ARGV[4] == task) and (ARGV[5] == '' or ARGV[5] == status) then
    found[#found + 1] = rows[i]
    if #found > tonumber(ARGV[3]) then
      found[1] = rows[i + 1]
      return found
    end
  end
end
if #rows == 2 * tonumber(ARGV[2]) then found[1] = rows[#rows] end
return found
