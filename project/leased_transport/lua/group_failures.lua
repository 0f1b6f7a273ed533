-- Group failed jobs among the recent ones by task and type of the error.
-- KEYS jobs:recent
-- ARGV from (the highest score, in the syntax of ZREVRANGEBYSCORE), n (entries to look at), task ('' = any)
-- returns the score below which the next call continues ('' at the end), how many entries were looked at, then for each
--      group: task, type, count, first and last end (seconds), the id of the last one, and its error (the beginning)
local rows = redis.call('ZREVRANGEBYSCORE', KEYS[1], ARGV[1], '-inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local groups, order = {}, {}
for i = 1, #rows, 2 do
  local key = 'job:' .. rows[i]
  local known = redis.pcall('HMGET', key, 'task', 'status', 'finished_at')
  local task, at = known[1], tonumber(known[3] or '')
  if task and at and known[2] == 'FAILURE' and (ARGV[3] == '' or ARGV[3] == task) then
    local failure = redis.call('HSTRLEN', key, 'error') <= 20000 and redis.call('HGET', key, 'error') or ''
    local kind = failure:match('"type":%s*"([^"]*)"') or 'Error'
    local name = #task .. task .. kind
    local group = groups[name]
    if not group then
      group = {task = task, kind = kind, count = 0, first = at, last = -1}
      groups[name], order[#order + 1] = group, group
    end
    group.count, group.first = group.count + 1, math.min(group.first, at)
    if at > group.last then group.last, group.id, group.failure = at, rows[i], failure end
  end
end
local found = {#rows == 2 * tonumber(ARGV[2]) and rows[#rows] or '', #rows / 2}
for _, group in ipairs(order) do
  for _, value in ipairs({group.task, group.kind, group.count, string.format('%.3f', group.first),
    string.format('%.3f', group.last), group.id, group.failure:sub(1, 2048)}) do
    found[#found + 1] = value
  end
end
return found
