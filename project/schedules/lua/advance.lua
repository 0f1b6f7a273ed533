-- Record that a schedule has fired, and its next time; unless another scheduler did so before, or it was deleted.
-- KEYS schedules:<id>, the sorted set of due times, the set of paused schedules
-- ARGV expected (the time that was fired first), next (or '' at the end), its unix seconds, times (all that are
--      known, the next one first), last (the time that was fired last, or '' if none was), ttl (seconds that an ended
--      schedule is kept), patience (the same for one with a secret, which its last job has to read), kept (job ids),
--      job id...
-- returns 1 or 0
local schedule, due, paused = KEYS[1], KEYS[2], KEYS[3]
local expected, following, seconds, times, last, ttl, patience, kept = unpack(ARGV, 1, 8)
local known = redis.call('HMGET', schedule, 'next', 'paused', 'jobs')
if known[1] ~= expected then return 0 end
local jobs, count = known[3] or '', #ARGV - 8
for i = 9, #ARGV do jobs = ARGV[i] .. ' ' .. jobs end
local recent = {}
for id in jobs:gmatch('%S+') do
  if #recent < tonumber(kept) then recent[#recent + 1] = id end
end
redis.call('HSET', schedule, 'next', following, 'times', times, 'jobs', table.concat(recent, ' '))
if last ~= '' then redis.call('HSET', schedule, 'last', last) end
redis.call('HINCRBY', schedule, 'fired', count)
if following == '' then
  redis.call('ZREM', due, schedule)
  redis.call('SREM', paused, schedule)
  redis.call('EXPIRE', schedule, redis.call('HEXISTS', schedule, 'secret') == 1 and patience or ttl)
elseif not known[2] then
  redis.call('ZADD', due, seconds, schedule)
end
return 1
